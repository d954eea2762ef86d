<?php
// SPDX-License-Identifier: MIT
// Roundcube's settings from the official image's ROUNDCUBEMAIL_* variables.

function webmail_env(string $name, string $default): string
{
	$value = getenv("ROUNDCUBEMAIL_$name");
	return $value === false || $value === '' ? $default : $value;
}

$config = [];
$config['db_dsnw'] = 'sqlite:////var/roundcube/db/sqlite.db?mode=0600';

$config['imap_host'] = webmail_env('DEFAULT_HOST', 'localhost')
	. ':' . webmail_env('DEFAULT_PORT', '143');
$config['smtp_host'] = webmail_env('SMTP_SERVER', 'localhost')
	. ':' . webmail_env('SMTP_PORT', '587');
$config['username_domain'] = webmail_env('USERNAME_DOMAIN', '');

// Certificates are always checked; the variable names a CA beside the
// system's own, such as the one that a lab made for itself.
$webmail_tls = ['verify_peer' => true, 'verify_peer_name' => true];
if (getenv('WEBMAIL_CA_FILE')) {
	$webmail_tls['cafile'] = getenv('WEBMAIL_CA_FILE');
}
$config['imap_conn_options'] = ['ssl' => $webmail_tls];
$config['smtp_conn_options'] = ['ssl' => $webmail_tls];

// Postfix's and the mta's default message_size_limit, 10240000 octets:
// a file that cannot be sent is refused when it is attached.
$config['max_message_size'] = '10000K';

$config['des_key'] = rtrim(file_get_contents('/var/roundcube/db/des_key'));
$config['cipher_method'] = 'AES-256-CBC';
$config['temp_dir'] = '/tmp';
$config['log_driver'] = 'stdout';

$config['plugins'] = array_filter(array_map('trim',
	explode(',', webmail_env('PLUGINS', 'archive,zipdownload'))));
$config['skin'] = webmail_env('SKIN', 'elastic');
$config['language'] = null; // the browser's
$config['enable_spellcheck'] = false;

foreach (glob('/var/roundcube/config/*.php') ?: [] as $webmail_file) {
	include $webmail_file;
}
unset($webmail_tls, $webmail_file);
