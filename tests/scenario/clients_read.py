#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A9: programs that people read mail with go one way: read, flag, search,
folders, move, and new mail that is seen while they look; and small ones that
filter, fetch or send.

Thunderbird goes it in tests/interop/clients/, Roundcube in tests/docker/."""

import os
import poplib
import re
import shutil
import subprocess
from urllib.parse import quote

from frame import (PASSWORD, expect, expect_true, main, message, need,
                   scenario, wait_for)
from frame_terminal import Terminal

SENDER = "user1@example1.local"
USER = "user2@example1.local"
FOLDER = "Ärger & Müll"
FOLDER_UTF7 = "&AMQ-rger &- M&APw-ll"


def flags(host, message_id, folder="INBOX"):
    return host.flags(USER, message_id, folder)


def fill(host, word, n=4):
    """Message-IDs of new mail in an INBOX that has no other."""
    with host.imap(USER) as client:
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
    return [send(host, f"{word}-{i}", f"text {i} of {word}\r\n")
            for i in range(n)]


def send(host, subject, text="Hello.\r\n"):
    message_id, content = message(subject, text, recipient=USER)
    host.submit(SENDER, USER, content)
    host.wait_mail(USER, message_id)
    return message_id


def home_of(lab, name):
    home = os.path.join(lab.directory, f"home-{name}")
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    return home


def ca(host):
    return os.path.join(host.state, "tls", "ca.pem")


def is_there(host, message_id, folder):
    """Undeleted in that folder?"""
    found = flags(host, message_id, folder)
    return found is not None and "\\Deleted" not in found


@scenario
def neomutt(lab):
    host, home = lab.mta1, home_of(lab, "neomutt")
    program = need("neomutt")
    ids = fill(host, "mutt")
    with open(os.path.join(home, "rc"), "w") as file:
        file.write(f"""set folder = "imaps://localhost:{host.ports['imaps']}/"
set spool_file = "+INBOX"
set imap_user = "{USER}"
set imap_pass = "{PASSWORD}"
set certificate_file = "{ca(host)}"
set ssl_verify_host = no
set imap_idle = yes
set imap_condstore = yes
set imap_qresync = yes
set header_cache = "{home}/cache"
set mail_check = 1
set timeout = 1
set delete = yes
set move = no
set confirm_append = no
set confirm_create = no
set wait_key = no
set sort = mailbox-order
""")
    with Terminal([program, "-n", "-F", "rc"], home, {}) as screen:
        screen.wait("mutt-3")
        screen.type("1\n\n")  # to the first, and open it
        screen.wait("text 0 of mutt")
        screen.type("i")
        screen.type("2\nF")
        wait_for("flagged", lambda: sync(screen) and "\\Flagged" in flags(
            host, ids[1]), 10)
        expect_true("\\Seen" in flags(host, ids[0]), "it was read")
        screen.type("l=b \"text 2\"\n")  # asks the server
        screen.type("\n")
        screen.wait("text 2 of mutt")
        screen.type("is=Moved\n$")
        wait_for("moved", lambda: is_there(host, ids[2], "Moved")
                 and not is_there(host, ids[2], "INBOX"), 10)
        screen.type("lall\n")
        late = send(host, "mutt-late")
        screen.wait("mutt-late")
        screen.type("c=Moved\n")
        screen.type("\n")
        screen.wait("text 2 of mutt")
        screen.type("i")
        screen.type("q")
        screen.wait_end()
    expect_true(flags(host, late) is not None, "the new one is left")


def sync(screen):
    screen.type("$")
    return True


@scenario
def alpine(lab):
    host, home = lab.mta1, home_of(lab, "alpine")
    program = need("alpine")
    ids = fill(host, "pine")
    server = f"{{localhost:{host.ports['imaps']}/ssl/user={USER}}}"
    with open(os.path.join(home, "rc"), "w") as file:
        file.write(f"""inbox-path={server}INBOX
folder-collections=Mail {server}[]
feature-list=enable-aggregate-command-set,enable-flag-cmd,
	quit-without-confirm,expunge-without-confirm,
	enable-msg-view-urls,no-enable-mouse-in-xterm
initial-keystroke-list=i
mail-check-interval=15
mail-check-interval-noncurrent=15
last-version-used=9.99
user-domain=example1.local
sort-key=Arrival
""")
    with Terminal([program, "-p", "rc"], home,
                  {"SSL_CERT_FILE": ca(host)}) as screen:
        screen.wait("ENTER PASSWORD")
        screen.type(PASSWORD + "\n")
        # What is typed before the answers are shown is thrown away.
        screen.wait(r"(?s)Preserve password.*\bNo\b")
        screen.type("n")
        screen.wait("pine-3")
        screen.type("\n")
        screen.wait("text 0 of pine")
        screen.type("<")
        screen.wait("MESSAGE INDEX")
        screen.type("n*")
        screen.wait("Important")
        screen.type("\n")
        screen.wait("Flagged message 2")
        screen.type(";ta")
        screen.wait("to match")
        screen.type("text 2 of pine\n")
        screen.wait("matched 1 message")
        screen.type("s")
        screen.wait("to folder")
        screen.type("Pine\n")
        screen.wait(r"(?s)Create.*\bNo\b")
        screen.type("y")
        screen.wait("DEL|and deleted")  # it draws what differs alone
        screen.type("x")
        screen.wait("1 message expunged")
        expect_true("\\Seen" in flags(host, ids[0]), "it was read")
        expect_true("\\Flagged" in flags(host, ids[1]), "it was flagged")
        expect(flags(host, ids[2]), None, "moved away")
        send(host, "pine-late")
        screen.type("\x0c")  # it looks for new mail now
        screen.wait("pine-late")
        screen.type("g")
        screen.wait("GOTO folder")
        screen.type("Pine\n")
        screen.wait("pine-2")
        screen.type("q")
        screen.wait_end()


@scenario
def curl(lab):
    """Commands of the user's own, and curl's ways to name a message."""
    host, home = lab.mta1, home_of(lab, "curl")
    program = need("curl")
    ids = fill(host, "curl")
    url = f"imaps://localhost:{host.ports['imaps']}/"

    def curl_run(*arguments):
        result = subprocess.run(
            [program, "-sS", "--cacert", ca(host), "-u",
             f"{USER}:{PASSWORD}", *arguments], stdin=subprocess.DEVNULL,
            capture_output=True, timeout=20, cwd=home)
        expect(result.returncode, 0, result.stderr.decode())
        return result.stdout.decode()

    def uid_of(word, folder="INBOX"):
        return re.search(r"\* SEARCH (\d+)", curl_run(
            "-X", f"UID SEARCH SUBJECT {word}", url + folder)).group(1)
    expect_true("text 0 of curl" in curl_run(
        f"{url}INBOX;UID={uid_of('curl-0')}"), "read")
    curl_run("-X", f"UID STORE {uid_of('curl-1')} +FLAGS (\\Flagged)",
             url + "INBOX")
    expect_true("\\Flagged" in flags(host, ids[1]), "it was flagged")
    expect(re.findall(r"\d+", curl_run(
        f"{url}INBOX?TEXT%20%22text%202%20of%22")), ["3"], "search")
    curl_run("-X", f'CREATE "{FOLDER_UTF7}"', url)
    expect_true(FOLDER_UTF7 in curl_run(url), "the folder is listed")
    curl_run("-X", f'UID MOVE {uid_of("curl-2")} "{FOLDER_UTF7}"',
             url + "INBOX")
    expect(flags(host, ids[2]), None, "moved away")
    expect_true("text 2 of curl" in curl_run(
        url + quote(FOLDER_UTF7) + ";MAILINDEX=1"), "in the folder")
    send(host, "curl-late")
    expect_true(uid_of("curl-late"), "the new one")
    pop = f"pop3s://localhost:{host.ports['pop3s']}/"
    numbers = curl_run(pop).split("\n")
    expect(len([row for row in numbers if row.strip()]), 4, "LIST")
    expect_true("text 0 of curl" in curl_run(pop + "1"), "RETR")
    curl_run("-X", f'DELETE "{FOLDER_UTF7}"', url)


@scenario
def python_imaplib(lab):
    host = lab.mta1
    ids = fill(host, "py")
    with host.imap(USER) as client:
        expect(client.select("INBOX"), ("OK", [b"4"]))
        text = client.fetch("1", "(BODY[TEXT])")[1][0][1]
        expect(text, b"text 0 of py\r\n")
        expect(client.store("2", "+FLAGS", r"(\Flagged $label1)")[0], "OK")
        expect_true("$label1" in flags(host, ids[1]), "a keyword")
        expect(client.search(None, "TEXT", '"text 2 of"')[1], [b"3"])
        client.literal = "2 of py".encode()
        expect(client.uid("SEARCH", "CHARSET", "UTF-8", "BODY")[0], "OK")
        expect(client.create(f'"{FOLDER_UTF7}"')[0], "OK")
        expect(client.subscribe(f'"{FOLDER_UTF7}"')[0], "OK")
        expect_true(any(FOLDER_UTF7.encode() in row
                        for row in client.lsub()[1]), "subscribed")
        expect(client.copy("3", f'"{FOLDER_UTF7}"')[0], "OK")
        expect(client.store("3", "+FLAGS", r"(\Deleted)")[0], "OK")
        expect(client.expunge(), ("OK", [b"3"]))
        expect_true(is_there(host, ids[2], FOLDER_UTF7), "moved")
        send(host, "py-late")
        client.noop()
        expect(client.response("EXISTS")[1][-1], b"4", "the new one")
        expect(client.rename(f'"{FOLDER_UTF7}"', "Neu")[0], "OK")
        expect(client.delete("Neu")[0], "OK")


@scenario
def python_poplib(lab):
    host = lab.mta1
    fill(host, "pop")
    client = poplib.POP3("127.0.0.1", host.ports["pop3"], timeout=20)
    client.stls(host.tls())
    client.user(USER)
    client.pass_(PASSWORD)
    expect(client.stat()[0], 4)
    expect(client.retr(1)[1][-1], b"text 0 of pop")
    expect(client.top(2, 0)[1][-1], b"")
    uids = [row.split()[1] for row in client.uidl()[1]]
    client.dele(3)
    client.quit()
    send(host, "pop-late")
    client = poplib.POP3_SSL("127.0.0.1", host.ports["pop3s"],
                             context=host.tls(), timeout=20)
    client.user(USER)
    client.pass_(PASSWORD)
    left = [row.split()[1] for row in client.uidl()[1]]
    expect(left[:3], uids[:2] + uids[3:], "UIDLs stay")
    expect(len(left), 4, "the new one")
    client.quit()


def run_small(home, *command, given=None):
    """A program that ends by itself; returns what it said."""
    result = subprocess.run(
        command, input=given, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=30, cwd=home,
        stdin=subprocess.DEVNULL if given is None else None,
        env=dict(os.environ, HOME=home, LC_ALL="C.UTF-8"))
    said = result.stdout.decode("utf-8", "replace")
    expect(result.returncode, 0, f"{' '.join(command)}: {said}")
    return said


def private(home, name, text):
    path = os.path.join(home, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    return path


@scenario
def imapfilter(lab):
    """Searches of all kinds, flags, and a move to a folder that is not there
    (TRYCREATE)."""
    host, home = lab.mta1, home_of(lab, "imapfilter")
    program = need("imapfilter")
    ids = fill(host, "sieb")
    script = private(home, "rc.lua", f"""options.create = true
options.subscribe = true
account = IMAP {{ server = 'localhost', port = {host.ports['imap']},
    username = '{USER}', password = '{PASSWORD}' }}
box = account.INBOX
print('status', box:check_status())
box:contain_subject('sieb-0'):mark_flagged()
box:match_body('text 1 of [s]ieb'):mark_seen()
both = box:contain_body('text 2 of') * box:is_unseen()
both:move_messages(account['{FOLDER}'])
box:contain_from('user1'):copy_messages(account['Kopien'])
box:contain_subject('sieb-3'):delete_messages()
for _, name in ipairs((account:list_all())) do print('box', name) end
""")
    said = run_small(home, program, "-t", ca(host), "-c", script)
    expect_true(re.search(r"status\s+4\s", said), said)
    expect_true(FOLDER in said and "Kopien" in said, said)
    expect_true("\\Flagged" in flags(host, ids[0]), "it was flagged")
    expect_true("\\Seen" in flags(host, ids[1]), "it was marked")
    expect_true(is_there(host, ids[2], FOLDER_UTF7), "it was moved")
    expect_true(not is_there(host, ids[2], "INBOX"), "it was moved away")
    for i in (0, 1, 3):
        expect_true(is_there(host, ids[i], "Kopien"), f"copy of {i}")
    expect(flags(host, ids[3]), None, "it was deleted")
    with host.imap(USER) as client:
        for name in (FOLDER_UTF7, "Kopien"):
            expect(client.delete(f'"{name}"')[0], "OK", name)


@scenario
def msmtp_and_mpop(lab):
    """A mail goes out by submission, and the maildrop is emptied by POP3."""
    host, home = lab.mta1, home_of(lab, "msmtp")
    msmtp, mpop = need("msmtp"), need("mpop")
    ids = fill(host, "klein")
    # GnuTLS asks for the name of the certificate.
    rc = private(home, "msmtprc", f"""account default
host localhost
port {host.ports['submission']}
tls on
tls_starttls on
tls_trust_file {ca(host)}
auth on
user {SENDER}
password {PASSWORD}
from {SENDER}
""")
    offers = run_small(home, msmtp, "-C", rc, "--serverinfo")
    for word in ("PIPELINING", "SIZE", "DSN", "STARTTLS", "AUTH"):
        expect_true(word in offers, f"{word} in {offers}")
    message_id, content = message("msmtp", ".\r\n..two\r\nGrüße\r\n",
                                  recipient=USER)
    run_small(home, msmtp, "-C", rc, "-N", "failure,delay", "-R", "hdrs",
              USER, given=content.replace(b"\r\n", b"\n"))
    host.wait_mail(USER, message_id)

    rc = private(home, "mpoprc", f"""account default
host localhost
port {host.ports['pop3']}
tls on
tls_starttls on
tls_trust_file {ca(host)}
user {USER}
password {PASSWORD}
keep off
uidls_file {os.path.join(home, "uidls")}
delivery maildir {os.path.join(home, "near")}
""")
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(home, "near", sub))
    offers = run_small(home, mpop, "-C", rc, "--serverinfo")
    for word in ("TOP", "UIDL", "PIPELINING", "STLS", "AUTH"):
        expect_true(re.search(word, offers, re.I), f"{word} in {offers}")
    run_small(home, mpop, "-C", rc)
    got = {}
    for name in os.listdir(os.path.join(home, "near", "new")):
        with open(os.path.join(home, "near", "new", name), "rb") as file:
            text = file.read()
        ident = re.search(rb"(?im)^Message-ID: <(.*)>", text).group(1)
        got[ident.decode()] = text.split(b"\n\n", 1)[1]
    expect(sorted(got), sorted(ids + [message_id]), "fetched")
    expect(got[message_id], ".\n..two\nGrüße\n".encode(), "its text")
    with host.imap(USER) as client:
        expect(client.select("INBOX"), ("OK", [b"0"]), "the maildrop")


@scenario
def s_nail(lab):
    """Writes by submission, reads by IMAP and by POP3."""
    host, home = lab.mta1, home_of(lab, "s-nail")
    program = need("s-nail")
    fill(host, "nagel")
    user = f"{quote(USER)}:{quote(PASSWORD)}"
    rc = private(home, "mailrc", f"""set v15-compat=yes
set tls-ca-file={ca(host)} tls-ca-no-defaults tls-verify=strict
set from={SENDER} sendwait smtp-use-starttls
set mta=smtp://{quote(SENDER)}:{quote(PASSWORD)}@localhost:\
{host.ports['submission']}
set folder={home} MAIL={home}/box emptystart crt=0 quiet imap-use-starttls
set pop3-use-starttls keep
""")
    environment = (f"MAILRC={rc}", "NAIL_NO_SYSTEM_RC=1")
    run_small(home, "env", *environment, program, "-s", "Gruß vom Nagel",
              USER, given="Straße\n.\n..zwei\n".encode())
    found = wait_for("the mail is there", lambda: found_by_subject(
        host, "Gruß vom Nagel"), 10)
    expect(len(found), 1)
    for url in (f"imap://{user}@localhost:{host.ports['imap']}/INBOX",
                f"pop3://{user}@localhost:{host.ports['pop3']}"):
        said = run_small(home, "env", *environment, program, "-R", "-f", url,
                         given=b"headers\nprint 5\nexit\n")
        expect_true("nagel-2" in said and "Straße\n.\n..zwei\n" in said,
                    f"{url}: {said}")


def found_by_subject(host, subject):
    with host.imap(USER) as client:
        client.select("INBOX", readonly=True)
        client.literal = subject.encode()
        return client.search("UTF-8", "SUBJECT")[1][0].split()


if __name__ == "__main__":
    main()
