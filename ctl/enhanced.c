/* SPDX-License-Identifier: MIT
 * ctl/enhanced.c - see enhanced.h. Standards: RFC 3463, 4954, 6531, 7504, 7505.
 */
#include "ctl/enhanced.h"

#include <stddef.h>

#define BOTH(en_meaning, en_remedy, es_meaning, es_remedy) \
	{                                                  \
		{ en_meaning, en_remedy },                 \
		{                                          \
			es_meaning, es_remedy              \
		}                                          \
	}

/* The first whose code fits: success, then exact ones, subjects, classes. An x
 * stands for any number. */
static const struct explanation table[] = {
	{ "2.x.x", BOTH("It worked.", "Nothing.", "Funcionó.", "Nada.") },
	{ "5.1.1",
	  BOTH("Nobody has this address: no account, alias or table entry.",
	       "Look for a typing mistake. If the address should exist: "
	       "mailctl account list, or an alias (mailctl alias add). "
	       "mailctl route explain ADDRESS shows each table that was "
	       "asked.",
	       "Nadie tiene esta dirección: ni cuenta, ni alias, ni entrada en "
	       "una tabla.",
	       "Compruebe si está mal escrita. Si debería existir: mailctl "
	       "account list, o un alias (mailctl alias add). mailctl route "
	       "explain DIRECCIÓN muestra cada tabla consultada.") },
	{ "x.1.2",
	  BOTH("The domain of the address is not one that mail can be sent "
	       "to.",
	       "Check its spelling. For a domain of yours: it becomes one by "
	       "an account, a key of virtual.cf or virtual_mailbox_domains.",
	       "El dominio de la dirección no puede recibir correo.",
	       "Revise cómo está escrito. Si es suyo: lo hace local una "
	       "cuenta, una clave de virtual.cf o virtual_mailbox_domains.") },
	{ "x.1.3",
	  BOTH("The recipient's address is not written as RFC 5321 wants it.",
	       "Send to local@domain; no blanks, no second '@', no route.",
	       "La dirección del destinatario no cumple la RFC 5321.",
	       "Escriba local@dominio, sin espacios, sin otra '@' ni ruta.") },
	{ "5.1.6",
	  BOTH("The user has another address now (relocated_maps).",
	       "Write to the address in the text; or remove the entry.",
	       "El usuario tiene otra dirección (relocated_maps).",
	       "Escriba a la dirección que da el texto, o quite la entrada.") },
	{ "x.1.7",
	  BOTH("The sender's address is not well written, or not one that the "
	       "next host takes.",
	       "Correct the sender's address in the mail program.",
	       "La dirección del remitente no es correcta o el servidor "
	       "siguiente no la admite.",
	       "Corrija la dirección del remitente en el programa de "
	       "correo.") },
	{ "x.1.8",
	  BOTH("The sender's domain does not exist in the DNS, so nobody "
	       "could answer (reject_unknown_sender_domain).",
	       "A domain of an internal network needs an entry in "
	       "transport.cf; one of the Internet needs MX or A records.",
	       "El dominio del remitente no existe en el DNS: nadie podría "
	       "responder (reject_unknown_sender_domain).",
	       "Un dominio interno necesita una entrada en transport.cf; uno "
	       "de Internet, registros MX o A.") },
	{ "5.1.10",
	  BOTH("The domain says in the DNS that it takes no mail (null MX, "
	       "RFC 7505).",
	       "Nothing to change here: the owner of the domain decided so.",
	       "El dominio declara en el DNS que no recibe correo (MX nulo, "
	       "RFC 7505).",
	       "Aquí no hay nada que cambiar: lo decidió su dueño.") },
	{ "x.2.1", BOTH("The mailbox exists but takes no mail at the moment.",
			"Try again later, or ask its owner.",
			"El buzón existe, pero ahora no admite correo.",
			"Inténtelo más tarde o pregunte a su dueño.") },
	{ "x.2.2",
	  BOTH("The mailbox is full.",
	       "Its owner deletes mail, or the limit grows: mailctl quota set "
	       "ADDRESS SIZE. mailctl account list shows use and limit.",
	       "El buzón está lleno.",
	       "Que su dueño borre mensajes, o suba el límite: mailctl quota "
	       "set DIRECCIÓN TAMAÑO. mailctl account list muestra uso y "
	       "límite.") },
	{ "x.2.3", BOTH("The message is larger than this mailbox takes.",
			"Send less at once, or a link to the file.",
			"El mensaje es mayor de lo que admite este buzón.",
			"Envíe menos de una vez, o un enlace al archivo.") },
	{ "x.3.1",
	  BOTH("The disk of this host is full. Nothing is lost: the sender "
	       "tries again.",
	       "Make room where mail and state lie (mailctl doctor tells "
	       "how much there is); no restart is needed.",
	       "El disco de este servidor está lleno. No se pierde nada: el "
	       "remitente lo intenta de nuevo.",
	       "Libere espacio donde están el correo y el estado (mailctl "
	       "doctor dice cuánto queda); no hace falta reiniciar.") },
	{ "x.3.2",
	  BOTH("The server is stopping, or has too much to do.",
	       "It is tried again. If it lasts: limits in main.cf "
	       "(smtpd_client_connection_count_limit), or doctor.",
	       "El servidor se está parando o tiene demasiado que hacer.",
	       "Se intentará de nuevo. Si dura: límites en main.cf "
	       "(smtpd_client_connection_count_limit), o doctor.") },
	{ "5.3.4",
	  BOTH("The message is larger than message_size_limit, here or at the "
	       "next host.",
	       "Raise it (mailctl config set message_size_limit=OCTETS; "
	       "Roundcube and proxies have limits of their own), or send a "
	       "link.",
	       "El mensaje supera message_size_limit, aquí o en el servidor "
	       "siguiente.",
	       "Súbalo (mailctl config set message_size_limit=OCTETOS; "
	       "Roundcube y los proxies tienen límites propios) o envíe un "
	       "enlace.") },
	{ "x.3.5",
	  BOTH("Something in the configuration is wrong; mail waits until it "
	       "is mended.",
	       "mailctl lint names file and line.",
	       "Hay un error en la configuración; el correo espera hasta que "
	       "se corrija.",
	       "mailctl lint indica archivo y línea.") },
	{ "4.3.0",
	  BOTH("A part of the system did not answer, or a table could not be "
	       "read. Nothing is lost: it is tried again.",
	       "mailctl doctor and mailctl lint tell what is wrong.",
	       "Una parte del sistema no respondió o no se pudo leer una "
	       "tabla. No se pierde nada: se intenta de nuevo.",
	       "mailctl doctor y mailctl lint dicen qué falla.") },
	{ "x.4.1",
	  BOTH("The next host does not answer: it is off, refuses the "
	       "connection, or a firewall is between (many networks close "
	       "port 25).",
	       "Try the address and port in the text from this host; then "
	       "mailctl queue flush. A relay host goes around a closed port "
	       "25 (relaymap.cf).",
	       "El servidor siguiente no responde: está apagado, rechaza la "
	       "conexión o hay un cortafuegos (muchas redes cierran el "
	       "puerto 25).",
	       "Pruebe la dirección y el puerto del texto desde este "
	       "servidor; después, mailctl queue flush. Un relay evita el "
	       "puerto 25 cerrado (relaymap.cf).") },
	{ "x.4.2",
	  BOTH("The connection was lost in the middle.",
	       "It is tried again. If it always happens at the same place: a "
	       "proxy or firewall that changes SMTP, or a size limit.",
	       "Se perdió la conexión a mitad.",
	       "Se intenta de nuevo. Si ocurre siempre en el mismo punto: un "
	       "proxy o cortafuegos que altera SMTP, o un límite de "
	       "tamaño.") },
	{ "x.4.3", BOTH("No name server answered.",
			"Look at /etc/resolv.conf of the host or container.",
			"Ningún servidor de nombres respondió.",
			"Revise /etc/resolv.conf del servidor o contenedor.") },
	{ "x.4.4",
	  BOTH("The domain has no host that takes mail.",
	       "Check the domain; for one of an own network write "
	       "[host]:port in transport.cf.",
	       "El dominio no tiene ningún servidor que reciba correo.",
	       "Revise el dominio; para uno de su red, escriba "
	       "[servidor]:puerto en transport.cf.") },
	{ "x.4.6",
	  BOTH("The message goes in a circle: two hosts, or two addresses, "
	       "send it to each other.",
	       "mailctl route explain ADDRESS on each host; one of them must "
	       "have the mailbox or another next hop.",
	       "El mensaje da vueltas: dos servidores, o dos direcciones, se "
	       "lo envían entre sí.",
	       "mailctl route explain DIRECCIÓN en cada servidor; uno debe "
	       "tener el buzón u otro destino.") },
	{ "x.4.7",
	  BOTH("It was tried for maximal_queue_lifetime and never worked.",
	       "The text tells the last reason; mend that and send again.",
	       "Se intentó durante maximal_queue_lifetime sin éxito.",
	       "El texto da el último motivo: corríjalo y vuelva a enviar.") },
	{ "x.5.3",
	  BOTH("Too many recipients in one go.",
	       "The others are taken in another transaction; a client of "
	       "yours may need a higher smtpd_recipient_limit.",
	       "Demasiados destinatarios de una vez.",
	       "Los demás se aceptan en otra transacción; puede hacer falta "
	       "un smtpd_recipient_limit mayor.") },
	{ "5.5.1",
	  BOTH("The client said something in the wrong order, or what this "
	       "server does not know.",
	       "A mistake in the program that sends; the log shows its "
	       "commands at LOG_LEVEL=debug.",
	       "El cliente dijo algo fuera de orden o que este servidor no "
	       "conoce.",
	       "Es un error del programa que envía; el registro muestra sus "
	       "órdenes con LOG_LEVEL=debug.") },
	{ "x.5.2",
	  BOTH("The client wrote something that is not SMTP; in a message: "
	       "lines that do not end in CR LF.",
	       "Mend the program that sends. Bare line ends are refused "
	       "because forged mail has been smuggled with them.",
	       "El cliente escribió algo que no es SMTP; en un mensaje: "
	       "líneas que no acaban en CR LF.",
	       "Corrija el programa que envía. Se rechazan porque sirven para "
	       "colar mensajes falsos.") },
	{ "x.5.4",
	  BOTH("A parameter of a command is wrong or not offered.",
	       "A mistake in the program that sends.",
	       "Un parámetro de una orden es incorrecto o no se ofrece.",
	       "Es un error del programa que envía.") },
	{ "x.6.0",
	  BOTH("The content of the message breaks a rule.",
	       "The text says which; the program that sends must change.",
	       "El contenido del mensaje incumple una regla.",
	       "El texto dice cuál; debe cambiar el programa que envía.") },
	{ "x.6.1",
	  BOTH("The next host cannot take this kind of content (binary).",
	       "Send it as an ordinary attachment.",
	       "El servidor siguiente no admite este contenido (binario).",
	       "Envíelo como un adjunto normal.") },
	{ "x.6.7",
	  BOTH("The address has letters beyond ASCII, and a host on the way "
	       "cannot take such addresses (SMTPUTF8).",
	       "Use an ASCII address of that person.",
	       "La dirección tiene letras fuera de ASCII y un servidor del "
	       "camino no las admite (SMTPUTF8).",
	       "Use una dirección ASCII de esa persona.") },
	{ "5.7.0",
	  BOTH("Something must come first: STARTTLS, or a login.",
	       "Turn on STARTTLS (587) or TLS (465) and the login in the mail "
	       "program.",
	       "Falta un paso previo: STARTTLS o iniciar sesión.",
	       "Active STARTTLS (587) o TLS (465) y el inicio de sesión en el "
	       "programa de correo.") },
	{ "4.7.1",
	  BOTH("A rule asks to come back later: greylisting, a rate limit or "
	       "an access table.",
	       "Mail servers do so by themselves. The log names the rule.",
	       "Una regla pide volver más tarde: lista gris, límite de "
	       "frecuencia o tabla de acceso.",
	       "Los servidores lo hacen solos. El registro nombra la regla.") },
	{ "5.7.1",
	  BOTH("A rule forbids it. \"Relay access denied\": the recipient is "
	       "not hosted here and the client neither logged in nor is in "
	       "mynetworks.",
	       "Mail programs: use port 587 or 465 and log in. Own servers: "
	       "mynetworks. Own domain: it needs an account, an alias or "
	       "relay_domains. Else the log names rule, file and line.",
	       "Una regla lo prohíbe. \"Relay access denied\": el destinatario "
	       "no es de aquí y el cliente ni inició sesión ni está en "
	       "mynetworks.",
	       "Programas de correo: puerto 587 o 465 con inicio de sesión. "
	       "Servidores propios: mynetworks. Dominio propio: necesita una "
	       "cuenta, un alias o relay_domains. Si no, el registro nombra "
	       "regla, archivo y línea.") },
	{ "x.7.4",
	  BOTH("TLS was demanded, and the next host does not offer it.",
	       "smtp_tls_security_level or a policy of this next hop asks for "
	       "it; may would send without.",
	       "Se exigió TLS y el servidor siguiente no lo ofrece.",
	       "Lo pide smtp_tls_security_level o una política de este "
	       "destino; con may se enviaría sin TLS.") },
	{ "x.7.5", BOTH("The next host's certificate did not pass the check.",
			"Its name or authority does not fit the TLS policy: "
			"smtp_tls_CAfile, smtp_tls_policy_maps.",
			"El certificado del servidor siguiente no pasó la "
			"comprobación.",
			"Su nombre o autoridad no encaja con la política TLS: "
			"smtp_tls_CAfile, smtp_tls_policy_maps.") },
	{ "x.7.8",
	  BOTH("User name or password is wrong; to a relay host: those in "
	       "sasl-password.cf.",
	       "Set the password anew: mailctl account update ADDRESS. The "
	       "user name is the whole address.",
	       "Usuario o contraseña incorrectos; hacia un relay: los de "
	       "sasl-password.cf.",
	       "Ponga otra contraseña: mailctl account update DIRECCIÓN. El "
	       "usuario es la dirección completa.") },
	{ "x.7.11", BOTH("The password would travel without TLS.",
			 "Turn on STARTTLS or TLS in the mail program.",
			 "La contraseña viajaría sin TLS.",
			 "Active STARTTLS o TLS en el programa de correo.") },
	/* Subjects. */
	{ "x.1.x",
	  BOTH("Something is wrong with an address.", "The text says what.",
	       "Hay un problema con una dirección.", "El texto dice cuál.") },
	{ "x.2.x",
	  BOTH("Something is wrong with the mailbox.", "The text says what.",
	       "Hay un problema con el buzón.", "El texto dice cuál.") },
	{ "x.3.x",
	  BOTH("Something is wrong with the mail system that answered.",
	       "Here: mailctl doctor. Elsewhere: its operator.",
	       "Hay un problema en el sistema de correo que respondió.",
	       "Aquí: mailctl doctor. En otro sitio: su operador.") },
	{ "x.4.x",
	  BOTH("Something is wrong on the way: network, DNS or routing.",
	       "The text says where.",
	       "Hay un problema en el camino: red, DNS o encaminamiento.",
	       "El texto dice dónde.") },
	{ "x.5.x", BOTH("The two programs did not understand each other.",
			"The text says what was wrong.",
			"Los dos programas no se entendieron.",
			"El texto dice qué falló.") },
	{ "x.6.x",
	  BOTH("The content cannot be taken as it is.", "The text says why.",
	       "El contenido no se admite tal como está.",
	       "El texto dice por qué.") },
	{ "x.7.x", BOTH("A rule or a check forbids it.",
			"The text or the log names the rule.",
			"Una regla o comprobación lo prohíbe.",
			"El texto o el registro nombra la regla.") },
	/* Classes. */
	{ "4.x.x", BOTH("It did not work now and is tried again.",
			"Wait, or mend what the text says.",
			"Ahora no funcionó; se intenta de nuevo.",
			"Espere, o corrija lo que dice el texto.") },
	{ "x.x.x",
	  BOTH("It did not work and is not tried again.", "The text says why.",
	       "No funcionó y no se intenta de nuevo.",
	       "El texto dice por qué.") },
};

/* Digits at text, at most three; 0 when there are none. */
static size_t
count_digits(struct str text)
{
	size_t n = 0;

	while (n < text.n && n < 4 && ascii_is_digit(text.p[n]))
		n++;
	return n <= 3 ? n : 0;
}

/* The octets of "d.ddd.ddd" at the beginning of text, or 0. */
static size_t
code_octets(struct str text)
{
	size_t n = 0;

	if (text.n == 0 || strchr("245", text.p[0]) == NULL)
		return 0;
	for (int part = 0; part < 3; part++) {
		size_t n_digits = count_digits(str_from(text, n));

		if (n_digits == 0 || (part == 0 && n_digits != 1))
			return 0;
		n += n_digits;
		if (part == 2)
			break;
		if (n >= text.n || text.p[n] != '.')
			return 0;
		n++;
	}
	return n < text.n && (ascii_is_digit(text.p[n]) || text.p[n] == '.')
		       ? 0
		       : n;
}

bool
enhanced_find(struct str text, struct str *code_out)
{
	for (size_t i = 0; i < text.n; i++) {
		size_t n;

		if (i > 0 &&
		    (ascii_is_digit(text.p[i - 1]) || text.p[i - 1] == '.'))
			continue;
		n = code_octets(str_from(text, i));
		if (n > 0) {
			*code_out = str_sub(text, i, n);
			return true;
		}
	}
	return false;
}

static bool
fits(struct str pattern, struct str code)
{
	struct str want, have;

	while (str_split(&pattern, '.', &want) && str_split(&code, '.', &have))
		if (!str_eq(want, S("x")) && !str_eq(want, have))
			return false;
	return true;
}

const struct explanation *
enhanced_explain(struct str code)
{
	size_t i = 0;
	const size_t last = sizeof(table) / sizeof(*table) - 1;

	while (i < last && !fits(str_c(table[i].code), code))
		i++;
	return &table[i];
}

/* RFC 5321 4.2.3; the enhanced code that goes with it most often here. */
static const struct {
	const char *basic, *enhanced;
} basics[] = {
	{ "421", "4.3.2" },  { "450", "4.2.1" }, { "451", "4.3.0" },
	{ "452", "4.3.1" },  { "454", "4.7.0" }, { "500", "5.5.2" },
	{ "501", "5.5.4" },  { "502", "5.5.1" }, { "503", "5.5.1" },
	{ "504", "5.5.4" },  { "530", "5.7.0" }, { "535", "5.7.8" },
	{ "538", "5.7.11" }, { "550", "5.1.1" }, { "552", "5.2.2" },
	{ "553", "5.1.3" },  { "554", "5.7.1" }, { "555", "5.5.4" },
	{ "556", "5.1.10" },
};

bool
enhanced_of_basic(struct str basic, struct str *code_out)
{
	for (size_t i = 0; i < sizeof(basics) / sizeof(*basics); i++)
		if (str_eq(str_c(basics[i].basic), basic)) {
			*code_out = str_c(basics[i].enhanced);
			return true;
		}
	return false;
}
