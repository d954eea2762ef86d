// SPDX-License-Identifier: MIT
// What journeys through Roundcube in a real browser are made of: steps, each
// with a line and a picture, and what every visitor does.
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { chromium } = require('playwright-core');

const outDir = process.argv[2];
const scratchDir = fs.mkdtempSync(path.join(os.tmpdir(), 'journey-'));
const password = 'password123';
const ACTION_TIMEOUT_MS = 15000;
const ARRIVAL_TIMEOUT_MS = 30000;
const FLAGS = [
	'--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
	'--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync',
];

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

// Runs the journey, leaves nothing open, and ends with its verdict.
async function travel(journey)
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

module.exports = {
	scratchDir, step, expect, openBrowser, logIn, row, openFolder, idle,
	waitForMail, fillRecipient, send, backToInbox, travel,
};
