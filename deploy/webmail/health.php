<?php
// SPDX-License-Identifier: MIT
// Called by Apache it looks into the database; called with "ask" it asks Apache.

if (PHP_SAPI === 'cli') {
	exit(@file_get_contents('http://127.0.0.1/health') === "ok\n" ? 0 : 1);
}
try {
	$db = new PDO('sqlite:/var/roundcube/db/sqlite.db');
	$db->query('SELECT value FROM system LIMIT 1')->fetch();
	echo "ok\n";
} catch (PDOException $e) {
	http_response_code(503);
	echo "no database\n";
}
