// SPDX-License-Identifier: MIT
// Two people write to each other in two Roundcubes, in a real browser.
//
//   NODE_PATH=... node journey.js OUTDIR
//
// Prints "ok - step" or "not ok - step: reason" and stops at the first
// failure. OUTDIR receives a picture after each step.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const {
	scratchDir, step, expect, openBrowser, logIn, row, openFolder, idle,
	waitForMail, fillRecipient, send, backToInbox, travel,
} = require('./browser');

const ATTACHMENT_OCTETS = 7000000;
const stamp = Date.now().toString(36);
const subject = `Größe und Übung ${stamp}`;
const folder = `Ärger & Söhne ${stamp}`;
const bodyLines = [
	'Grüße aus Köln, ¿qué tal?', '.', '..two dots', '.hidden',
	'From here on nothing changes.', 'Ende',
];
const replyText = `Danke, alles da. ${stamp}`;

// A preview that finishes loading closes the menus.
async function selectMail(page, text)
{
	await row(page, text).first().click();
	await page.frameLocator('#messagecontframe').locator('#messagebody')
		.waitFor();
	await idle(page);
}

async function openMail(page, text)
{
	await row(page, text).first().dblclick();
	await page.waitForSelector('#messagebody');
}

async function expectFound(page, words, count)
{
	await page.fill('#mailsearchform', words);
	await page.press('#mailsearchform', 'Enter');
	await idle(page);
	expect(`mails with ${words}`, await row(page, subject).count(), count);
}

function makeAttachment()
{
	const file = path.join(scratchDir, `Übergröße ${stamp}.bin`);
	fs.writeFileSync(file, crypto.randomBytes(ATTACHMENT_OCTETS));
	return file;
}

function digest(file)
{
	return crypto.createHash('sha256').update(fs.readFileSync(file))
		.digest('hex');
}

async function journey()
{
	const file = makeAttachment();
	const first = await openBrowser('webmail1',
		process.env.WEBMAIL1 || 'http://127.0.0.1:8081/', 'en-US');
	const second = await openBrowser('webmail2',
		process.env.WEBMAIL2 || 'http://127.0.0.1:8082/', 'de-DE');
	const one = first.page;
	const two = second.page;

	await step('the login page speaks the browser\'s language', async () => {
		expect('webmail1', (await one.innerText('#rcmloginsubmit'))
			.toLowerCase(), 'login');
		expect('webmail2', (await two.innerText('#rcmloginsubmit'))
			.toLowerCase(), 'anmelden');
	});
	await step('user1 logs in', () => logIn(one, 'user1'));
	await step('user3 logs in', () => logIn(two, 'user3'));

	await step('user1 sends user3 a file of 7 MB', async () => {
		await one.locator('#taskmenu a.compose').click();
		await one.waitForSelector('#composebody');
		await fillRecipient(one, 'user3@example2.local');
		await one.fill('#compose-subject', subject);
		await one.fill('#composebody', bodyLines.join('\n'));
		await one.locator('#uploadform input[type=file], '
			+ 'input[type=file][name="_attachments[]"]').first()
			.setInputFiles(file);
		await one.waitForSelector('#attachment-list li:not(.uploading)'
			+ ' a.filename', { timeout: 60000 });
		await send(one);
	});
	await step('the mail is in Sent', async () => {
		await openFolder(one, 'Sent');
		await waitForMail(one, subject);
	});
	await step('user3 receives and reads it', async () => {
		await waitForMail(two, subject);
		await openMail(two, subject);
		const text = await two.locator('#messagebody .message-part')
			.first().innerText();
		const got = text.replace(/\u00a0/g, ' ').trim().split('\n')
			.map(line => line.trimEnd()).filter(line => line);
		expect('text', got.join('\n'), bodyLines.join('\n'));
	});
	await step('the file comes out as it went in', async () => {
		const coming = two.waitForEvent('download');
		await two.locator('#attachment-list a.filename').first()
			.click();
		const got = await coming;
		expect('name', got.suggestedFilename(), path.basename(file));
		expect('SHA-256', digest(await got.path()), digest(file));
	});
	await step('user3 replies', async () => {
		await two.locator('#toolbar-menu a.reply').click();
		await two.waitForSelector('#composebody');
		const quoted = await two.inputValue('#composebody');
		if (!quoted.includes(`> ${bodyLines[0]}`))
			throw new Error('the reply does not quote the mail');
		await two.fill('#composebody', `${replyText}\n\n${quoted}`);
		await send(two);
	});
	await step('user1 reads the reply', async () => {
		await openFolder(one, 'Inbox');
		await waitForMail(one, `Re: ${subject}`);
		await openMail(one, `Re: ${subject}`);
		const text = await one.innerText('#messagebody');
		if (!text.includes(replyText))
			throw new Error('the reply\'s text is missing');
	});
	await step('user1 finds it by its subject', async () => {
		await backToInbox(one);
		await expectFound(one, stamp, 1);
		await expectFound(one, `nowhere${stamp}`, 0);
	});
	await step('user1 finds it by its text', async () => {
		await one.locator('.searchbar a.options').click();
		await one.locator('#searchmenu input[value=text]').check();
		await expectFound(one, replyText, 1);
		await one.locator('.searchbar a.reset').click();
		await idle(one);
	});
	await step('user1 flags it, and it stays flagged', async () => {
		await selectMail(one, subject);
		await one.locator('#markmessagemenulink').click();
		await one.locator('#markmessage-menu a.flag').click();
		await idle(one);
		await one.reload();
		await one.waitForSelector('#messagelist tr.message.flagged');
	});
	await step('user1 makes a folder with an awkward name', async () => {
		await one.locator('#taskmenu a.settings').click();
		await one.locator('#settings-menu .folders a, '
			+ '#settings-menu a.folders').first().click();
		await one.locator('#toolbar-menu a.create').click();
		const frame = one.frameLocator('#preferences-frame');
		await frame.locator('input[name=_name]').fill(folder);
		await frame.locator('.formbuttons .submit').click();
		await one.locator('#subscription-table',
			{ hasText: folder }).waitFor();
	});
	await step('user1 moves the mail there', async () => {
		await backToInbox(one);
		await selectMail(one, subject);
		await one.locator('#messagemenulink').click();
		await one.locator('#message-menu a.move').click();
		await one.locator('#folder-selector a', { hasText: folder })
			.first().click();
		await idle(one);
		await row(one, subject).waitFor({ state: 'hidden' });
		await openFolder(one, folder);
		await row(one, subject).waitFor();
	});
	await step('user1 deletes it, and Trash has it', async () => {
		await selectMail(one, subject);
		await one.locator('#toolbar-menu a.delete').click();
		await idle(one); // the row is gone before the mail has moved
		await row(one, subject).waitFor({ state: 'hidden' });
		await openFolder(one, 'Trash');
		await row(one, subject).waitFor();
	});
	await step('both log out', async () => {
		for (const page of [one, two]) {
			await page.locator('#taskmenu a.logout').click();
			await page.waitForSelector('#rcmloginuser');
		}
	});
}

travel(journey);
