// SPDX-License-Identifier: MIT
// imapflow.js PORT USER PASSWORD FILE: keeps a copy of all mailboxes in FILE,
// with CONDSTORE and QRESYNC once there is one; prints how many texts it took.
'use strict';

const fs = require('fs');
const { ImapFlow } = require('imapflow');

const [port, user, pass, file] = process.argv.slice(2);
const copy = fs.existsSync(file)
	? JSON.parse(fs.readFileSync(file, 'utf8')) : {};

function clientNew()
{
	return new ImapFlow({
		host: '127.0.0.1', port: Number(port), secure: false,
		doSTARTTLS: false, auth: { user, pass }, logger: false,
		qresync: true,
	});
}

async function main()
{
	const client = clientNew();
	let texts = 0;
	await client.connect();
	for (const box of await client.list()) {
		if (box.flags.has('\\NonExistent') || box.flags.has('\\Noselect'))
			continue;
		texts += await syncBox(client, box.path);
	}
	await client.logout();
	fs.writeFileSync(file, JSON.stringify(copy));
	console.log(`texts ${texts}`);
}

async function syncBox(client, path)
{
	const mailbox = await client.mailboxOpen(path, { readOnly: true });
	let had = copy[path];
	let texts = 0;

	if (!had || had.uidValidity !== String(mailbox.uidValidity))
		had = { uidValidity: String(mailbox.uidValidity), mails: {} };
	copy[path] = had;
	const isNew = had.modseq === undefined;
	if (!isNew && had.modseq === String(mailbox.highestModseq))
		return 0;
	if (mailbox.exists > 0) {
		const changed = isNew ? {} : { changedSince: BigInt(had.modseq) };
		const unknown = [];
		for await (const item of client.fetch('1:*',
			{ uid: true, flags: true }, { uid: true, ...changed })) {
			if (had.mails[item.uid])
				had.mails[item.uid].flags = [...item.flags];
			else
				unknown.push(item.uid);
		}
		if (unknown.length > 0) {
			for await (const item of client.fetch(unknown.join(','),
				{ uid: true, flags: true, source: true,
					envelope: true, bodyStructure: true },
				{ uid: true })) {
				if (!item.envelope.messageId || !item.bodyStructure)
					throw new Error(`${path} ${item.uid}`);
				had.mails[item.uid] = {
					flags: [...item.flags],
					source: item.source.toString('base64'),
				};
				texts++;
			}
		}
	}
	had.modseq = String(mailbox.highestModseq);
	return texts;
}

main().catch(error => {
	console.error(error.stack, error.responseText || "");
	process.exit(1);
});
