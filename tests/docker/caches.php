<?php
// SPDX-License-Identifier: MIT
// All caches of Roundcube that hold what an IMAP server said. That of messages
// is kept right by CONDSTORE and QRESYNC (RFC 7162).
$config['imap_cache'] = 'db';
$config['messages_cache'] = 'db';
// More that asks the server, and a log of what was asked and answered.
array_push($config['plugins'], 'subscriptions_option', 'newmail_notifier');
$config['imap_debug'] = true;
