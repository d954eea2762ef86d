// SPDX-License-Identifier: MIT
// Somebody keeps a mailbox in order in Roundcube, in a real browser: sorts,
// threads, filters, marks, drafts, copies, junk, and folders of every kind.
//
//   NODE_PATH=... WEBMAIL=URL NAME=... node housework.js OUTDIR MAILS.json
//
// MAILS.json: what lies in INBOX, and the orders and findings that are right.
// Prints as journey.js does.
'use strict';

const fs = require('fs');
const {
	step, expect, openBrowser, logIn, row, openFolder, idle, waitForMail,
	fillRecipient, send, backToInbox, travel,
} = require('./browser');

const given = JSON.parse(fs.readFileSync(process.argv[3]));
const stamp = Date.now().toString(36);
const folder = `Bücher ${stamp}`;
const innerName = `日本語 ${stamp}`;
const newName = `Bücher & Hefte ${stamp}`;
const draftSubject = `Entwurf über Käse ${stamp}`;

// The subjects of the rows, from above.
async function subjects(page)
{
	const rows = await page.locator('#messagelist tbody tr.message')
		.allTextContents();
	return rows.map(text => given.subjects.find(s => text.includes(s))
		|| text.trim());
}

async function expectRows(page, what, want)
{
	expect(what, (await subjects(page)).join(), want.join());
}

// As the dialog with the list's options does it.
async function arrange(page, column, order, isThreaded)
{
	await page.evaluate(([column, order, threads]) =>
		window.rcmail.set_list_options(null, column, order, threads),
	[column, order, isThreaded ? 1 : 0]);
	await idle(page);
}

async function filter(page, words)
{
	await page.evaluate(words => window.rcmail.filter_mailbox(words), words);
	await idle(page);
}

async function command(page, name, argument)
{
	await page.evaluate(([name, argument]) =>
		window.rcmail.command(name, argument), [name, argument]);
	await idle(page);
}

async function select(page, subject)
{
	await row(page, subject).first().click();
	await page.frameLocator('#messagecontframe').locator('#messagebody')
		.waitFor();
	await idle(page);
}

async function mark(page, subject, word)
{
	await select(page, subject);
	await command(page, 'mark', word);
}

async function goTo(page, name)
{
	await openFolder(page, name);
	await page.waitForFunction(name => document.querySelector(
		'#mailboxlist li.selected > a').textContent.includes(name), name);
	await idle(page);
}

async function openFolders(page)
{
	await page.locator('#taskmenu a.settings').click();
	await page.locator('#settings-menu .folders a, '
		+ '#settings-menu a.folders').first().click();
	await page.locator('#subscription-table').waitFor();
	await idle(page);
}

function folderRow(page, name)
{
	return page.locator('#subscription-table li', { hasText: name }).last();
}

async function openFolderForm(page, name)
{
	await folderRow(page, name).locator('> a').first().click();
	const frame = page.frameLocator('#preferences-frame');
	await frame.locator('input[name=_name]').waitFor();
	return frame;
}

async function saveFolderForm(page, frame, name)
{
	await frame.locator('.formbuttons .submit').click();
	await folderRow(page, name).waitFor();
	await idle(page);
}

async function listing(page)
{
	for (const [column, want] of Object.entries(given.sorted)) {
		await step(`rows by ${column}, up and down`, async () => {
			await arrange(page, column, 'ASC', false);
			await expectRows(page, 'up', want);
			await arrange(page, column, 'DESC', false);
			await expectRows(page, 'down', [...want].reverse());
		});
	}
	await step('a search keeps the order', async () => {
		await arrange(page, 'subject', 'ASC', false);
		await page.fill('#mailsearchform', given.search.words);
		await page.press('#mailsearchform', 'Enter');
		await idle(page);
		await expectRows(page, 'found', given.search.found);
		await page.locator('.searchbar a.options').click();
		await page.selectOption('#s_interval', '-1W');
		await page.press('#mailsearchform', 'Enter');
		await idle(page);
		await expectRows(page, 'found before', given.search.found);
		await page.locator('.searchbar a.reset').click();
		await idle(page);
	});
	await step('threads', async () => {
		await arrange(page, 'date', 'ASC', true);
		await page.evaluate(() => window.rcmail.command('expand-all'));
		await idle(page);
		await expectRows(page, 'threads', given.threaded);
		const depths = await page.evaluate(() => Object.values(
			window.rcmail.env.messages).map(m => m.depth || 0).sort());
		expect('depths', depths.join(), given.depths.join());
		await arrange(page, 'arrival', 'ASC', false);
	});
	await step('filters', async () => {
		const names = await page.locator('#searchfilter option')
			.evaluateAll(options => options.map(o => o.value));
		for (const [words, want] of Object.entries(given.filters)) {
			const name = names.find(name => name.startsWith(words));
			if (!name)
				throw new Error(`no filter ${words} in ${names}`);
			await filter(page, name);
			await expectRows(page, words, want);
		}
		await filter(page, 'ALL');
		await expectRows(page, 'all', given.subjects);
	});
}

async function marking(page)
{
	const [subject] = given.subjects;
	await step('flagged and not, read and unread', async () => {
		await mark(page, subject, 'flagged');
		await row(page, subject).and(page.locator('.flagged')).waitFor();
		await command(page, 'mark', 'unflagged');
		await command(page, 'mark', 'unread');
		await page.reload();
		await page.waitForSelector('#messagelist tbody tr.message');
		await idle(page);
		await row(page, subject).and(page.locator('.unread')).waitFor();
		expect('flagged', await row(page, subject).and(
			page.locator('.flagged')).count(), 0);
	});
	await step('a picture in a mail, and its source', async () => {
		await select(page, given.withPicture);
		const picture = page.frameLocator('#messagecontframe')
			.locator('img[src*="_part="]').first();
		await picture.waitFor();
		expect('its width', await picture.evaluate(
			image => image.decode().then(() => image.naturalWidth)), 1);
		const popup = page.context().waitForEvent('page');
		await page.evaluate(() => window.rcmail.command('viewsource'));
		const source = await popup;
		await source.waitForLoadState();
		const text = await source.innerText('body');
		if (!text.includes(given.pictureSource))
			throw new Error(`the source is ${text.slice(0, 200)}`);
		await source.close();
	});
}

async function writing(page)
{
	await step('a draft is saved, found again and sent to two', async () => {
		await page.locator('#taskmenu a.compose').click();
		await page.waitForSelector('#composebody');
		await fillRecipient(page, given.user);
		await fillRecipient(page, 'user1@example1.local');
		await page.fill('#compose-subject', draftSubject);
		await page.fill('#composebody', 'Käse, halb fertig.');
		await page.locator('#toolbar-menu a.draft, a.save.draft').first()
			.click();
		await page.waitForFunction(() => window.rcmail.env.draft_id);
		await idle(page);
		await backToInbox(page);
		await goTo(page, 'Drafts');
		await row(page, draftSubject).first().dblclick();
		await page.waitForSelector('#composebody');
		const text = await page.inputValue('#composebody');
		if (!text.includes('halb fertig'))
			throw new Error(`the draft says ${text}`);
		await page.fill('#composebody', 'Käse, ganz fertig.');
		await send(page);
	});
	await step('the draft is gone, and the new mail is seen', async () => {
		await goTo(page, 'Drafts');
		expect('drafts', await row(page, draftSubject).count(), 0);
		await goTo(page, 'Inbox');
		await waitForMail(page, draftSubject);
		await goTo(page, 'Sent');
		await row(page, draftSubject).waitFor();
	});
}

async function refusal(page)
{
	await step('why a recipient is refused is told', async () => {
		const nobody = given.user.replace(/.*@/, 'nobody@');
		await page.locator('#taskmenu a.compose').click();
		await page.waitForSelector('#composebody');
		await fillRecipient(page, nobody);
		await page.fill('#compose-subject', 'To nobody');
		await page.fill('#composebody', 'Is there anybody?');
		await page.locator('.formbuttons .send').click();
		const told = page.locator('#messagestack', {
			hasText: '550' }).first();
		await told.waitFor();
		const text = await told.innerText();
		if (!text.includes(nobody) || !/unknown/i.test(text))
			throw new Error(`it says ${text}`);
		await page.goto(process.env.WEBMAIL);
		await page.waitForSelector('#messagelist',
			{ state: 'attached' });
		await idle(page);
	});
}

async function folders(page)
{
	await step('a folder, and one in it', async () => {
		await openFolders(page);
		await page.locator('#toolbar-menu a.create').click();
		let frame = page.frameLocator('#preferences-frame');
		await frame.locator('input[name=_name]').fill(folder);
		await saveFolderForm(page, frame, folder);
		await page.locator('#toolbar-menu a.create').click();
		frame = page.frameLocator('#preferences-frame');
		// The form before this one did not know the folder.
		await frame.locator('select[name=_parent] option',
			{ hasText: folder }).waitFor({ state: 'attached' });
		await frame.locator('input[name=_name]').fill(innerName);
		await frame.locator('select[name=_parent]').selectOption(
			{ label: folder });
		await saveFolderForm(page, frame, innerName);
	});
	await step('it gets another name; the size of INBOX is told', async () => {
		const frame = await openFolderForm(page, folder);
		await frame.locator('input[name=_name]').fill(newName);
		await saveFolderForm(page, frame, newName);
		await folderRow(page, 'Inbox').locator('> a').first().click();
		// Without STATUS=SIZE it is told to those who ask.
		await frame.locator('table', { hasText: /\d ?KB|size/ }).waitFor();
		if (await frame.locator('a#folder-size').count() > 0)
			await frame.locator('a#folder-size').click();
		await frame.locator('table', { hasText: /\d ?KB/ }).waitFor();
	});
	await step('subscribed no more, and again', async () => {
		const box = folderRow(page, innerName).locator('input').first();
		for (const isOn of [false, true]) {
			await box.setChecked(isOn, { force: true });
			await idle(page);
			await page.reload();
			await page.locator('#subscription-table').waitFor();
			expect('subscribed', await folderRow(page, innerName)
				.locator('input').first().isChecked(), isOn);
		}
	});
}

async function moving(page)
{
	const [first, second] = given.subjects;
	await step('copies stay, and junk goes and comes back', async () => {
		await backToInbox(page);
		await goTo(page, 'Inbox');
		await select(page, first);
		const id = await page.evaluate(name => Object.values(
			window.rcmail.env.mailboxes).find(m => m.name === name).id,
		newName);
		await command(page, 'copy', id);
		await select(page, second);
		await command(page, 'plugin.markasjunk.junk');
		await row(page, second).waitFor({ state: 'hidden' });
		await goTo(page, 'Junk');
		await select(page, second);
		await command(page, 'plugin.markasjunk.not_junk');
		await row(page, second).waitFor({ state: 'hidden' });
		await goTo(page, 'Inbox');
		await row(page, second).waitFor();
		await row(page, first).waitFor();
		await goTo(page, newName);
		await row(page, first).waitFor();
	});
	await step('all mails come as one archive', async () => {
		await goTo(page, 'Inbox');
		await command(page, 'select-all');
		const coming = page.waitForEvent('download');
		await page.evaluate(() => window.rcmail_zipdownload('mbox'));
		const got = await coming;
		const octets = fs.readFileSync(await got.path());
		expect('a ZIP file', octets.subarray(0, 2).toString(), 'PK');
	});
	await step('Trash is emptied', async () => {
		await goTo(page, newName);
		await select(page, first);
		await command(page, 'delete');
		await row(page, first).waitFor({ state: 'hidden' });
		await goTo(page, 'Trash');
		await row(page, first).waitFor();
		await page.evaluate(() => window.rcmail.command('purge'));
		await page.locator('.ui-dialog button.delete').first().click()
			.catch(() => {});
		await row(page, first).waitFor({ state: 'hidden' });
	});
	await step('the folders are deleted', async () => {
		await openFolders(page);
		for (const name of [innerName, newName]) {
			await openFolderForm(page, name);
			await page.locator('#toolbar-menu a.delete').click();
			await page.locator('.ui-dialog button.delete').first()
				.click();
			await folderRow(page, name).waitFor({ state: 'detached' });
			await idle(page);
		}
	});
}

travel(async () => {
	const { page } = await openBrowser(`housework-${process.env.NAME}`,
		process.env.WEBMAIL, 'en-US');

	await step(`${given.user} logs in`, () => logIn(page, given.user));
	await listing(page);
	await marking(page);
	await writing(page);
	await refusal(page);
	await folders(page);
	await moving(page);
	await step('and logs out', async () => {
		await page.locator('#taskmenu a.logout').click();
		await page.waitForSelector('#rcmloginuser');
	});
});
