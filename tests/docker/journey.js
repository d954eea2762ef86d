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
const os = require('os');
const path = require('path');
const { chromium } = require('playwright-core');

const outDir = process.argv[2];
const scratchDir = fs.mkdtempSync(path.join(os.tmpdir(), 'journey-'));
const password = 'password123';
const ATTACHMENT_OCTETS = 7000000;
const ACTION_TIMEOUT_MS = 15000;
const ARRIVAL_TIMEOUT_MS = 30000;
const FLAGS = [
	'--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync',
];
const stamp = Date.now().toString(36);
const subject = `Größe und Übung ${stamp}`;
const folder = `Ärger & Söhne ${stamp}`;
const bodyLines = [
	'Grüße aus Köln, ¿qué tal?', '.', '..two dots', '.hidden',
	'From here on nothing changes.', 'Ende',
];
const replyText = `Danke, alles da. ${stamp}`;

let stepCount = 0;
const openPages = [];

async function step(name, run)
{
	const began = Date.now();
	stepCount += 1;
	try {
		await run();
		const seconds = ((Date.now() - began) / 1000).toFixed(1);
		console.log(`ok - browser: ${name} (${seconds} s)`);
	} catch (error) {
		const reason = String(error.message).split('\n').slice(0, 5);
		console.log(`not ok - browser: ${name}: ${reason.join(' | ')}`);
		await takePictures('failed');
		throw error;
	}
	await takePictures('done');
}

async function takePictures(word)
{
	for (const { name, page } of openPages) {
		const number = String(stepCount).padStart(2, '0');
		const file = `${number}-${word}-${name}.png`;
		await page.screenshot({ path: path.join(outDir, file) })
			.catch(() => {});
	}
}

function expect(what, got, want)
{
	if (got !== want)
		throw new Error(`${what}: got ${JSON.stringify(got)}, `
			+ `want ${JSON.stringify(want)}`);
}

async function openBrowser(name, url, locale)
{
	const context = await chromium.launchPersistentContext(
		path.join(scratchDir, name), {
			executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
			args: FLAGS,
			env: { ...process.env, TMPDIR: scratchDir },
			locale,
			acceptDownloads: true,
			viewport: { width: 1400, height: 900 },
		});
	const page = context.pages()[0];
	page.setDefaultTimeout(ACTION_TIMEOUT_MS);
	page.on('dialog', dialog => dialog.accept());
	openPages.push({ name, page, context });
	await page.goto(url);
	return { context, page };
}

async function logIn(page, user)
{
	await page.fill('#rcmloginuser', user);
	await page.fill('#rcmloginpwd', password);
	await page.click('#rcmloginsubmit');
	await page.waitForSelector('#messagelist', { state: 'attached' });
}

function row(page, text)
{
	return page.locator('#messagelist tbody tr', { hasText: text });
}

async function openFolder(page, name)
{
	await page.locator('#mailboxlist li a', { hasText: name }).first()
		.click();
	await idle(page);
}

// Roundcube keeps its own count of running requests.
async function idle(page)
{
	await page.waitForTimeout(100);
	await page.waitForFunction(
		() => window.rcmail && !window.rcmail.busy);
}

// Clicks the folder's name: two refreshes that overlap lose an update in
// Roundcube's session.
async function waitForMail(page, text)
{
	const deadline = Date.now() + ARRIVAL_TIMEOUT_MS;
	while (await row(page, text).count() === 0) {
		if (Date.now() > deadline)
			throw new Error(`no mail with "${text}" came in `
				+ `${ARRIVAL_TIMEOUT_MS / 1000} s`);
		await page.locator('#mailboxlist li.selected > a').click();
		await idle(page);
		await page.waitForTimeout(500);
	}
}

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

async function fillRecipient(page, address)
{
	const input = page.locator('#compose_to .recipient-input input');
	await input.fill(address);
	await input.press('Tab');
}

async function send(page)
{
	await page.locator('.formbuttons .send').click();
	await page.waitForSelector('#messagelist', {
		state: 'attached', timeout: 60000 });
	await idle(page);
}

async function backToInbox(page)
{
	await page.locator('#taskmenu a.mail').click();
	await page.waitForSelector('#messagelist', { state: 'attached' });
	await idle(page);
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

async function main()
{
	let exitCode = 0;
	try {
		await journey();
	} catch (error) {
		console.error(error.stack);
		exitCode = 1;
	}
	for (const { context } of openPages)
		await context.close().catch(() => {});
	fs.rmSync(scratchDir, { recursive: true, force: true });
	process.exit(exitCode);
}

main();
