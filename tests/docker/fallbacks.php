<?php
// SPDX-License-Identifier: MIT
// Roundcube does without what it finds on few servers: its other ways.
$config['imap_disabled_caps'] = [
	'BINARY', 'CONDSTORE', 'CREATE-SPECIAL-USE', 'ENABLE', 'ESEARCH',
	'LIST-EXTENDED', 'LIST-STATUS', 'LITERAL+', 'METADATA', 'MOVE',
	'NAMESPACE', 'QRESYNC', 'QUOTA', 'SASL-IR', 'SORT=DISPLAY',
	'SPECIAL-USE', 'STATUS=SIZE', 'THREAD=REFS', 'UIDPLUS', 'UNSELECT',
];
array_push($config['plugins'], 'subscriptions_option', 'newmail_notifier');
$config['imap_debug'] = true;
