#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Row A9: Thunderbird, without a screen, goes through a mailbox: it is driven
by Marionette, and each step is looked at from the server's side.

    make clients-big, or: tests/interop/clients/thunderbird.py [--keep]"""

import email
import email.policy
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.dirname(os.path.abspath(__file__)))), "scenario"))

# The path must be known before.
from frame import (PASSWORD, Failed, expect, expect_true, free_port, main,
                   message, need, scenario, wait_for)

USER = "user2@example1.local"
START_S, STEP_S = 60, 30
FOLDER = "Ärger & Müll"
FOLDER_UTF7 = "&AMQ-rger &- M&APw-ll"
FRIEND = "user1@example1.local"
SUBJECT = "Größe und Übung 📬"
TEXT = ".\n..two dots\nFrom here on, Straße.\n\nEnde"

# What every script begins with; names as Thunderbird has them.
HEAD = """
const { MailServices } = ChromeUtils.importESModule(
    "resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.accounts
    .map(a => a.incomingServer).find(s => s && s.type === "imap");
const root = server.rootFolder;
const inbox = root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const mails = (folder = inbox) => [...folder.messages];
const mail = id => mails().find(m => m.messageId === id);
const folder = name => root.subFolders.find(
    f => f.localizedName === name || f.name === name);
"""


class Marionette:
    """Firefox's remote protocol: "LENGTH:[0, id, command, parameters]"."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), STEP_S)
        self.rest, self.n = b"", 0
        self.read()
        self.call("WebDriver:NewSession", {"capabilities": {}})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": STEP_S * 1000})

    def read(self):
        while b":" not in self.rest or len(self.rest) < \
                self.rest.index(b":") + 1 + int(self.rest.split(b":")[0]):
            more = self.socket.recv(65536)
            if not more:
                raise Failed("Thunderbird has closed the connection")
            self.rest += more
        n, _, rest = self.rest.partition(b":")
        text, self.rest = rest[:int(n)], rest[int(n):]
        return json.loads(text)

    def call(self, command, parameters):
        self.n += 1
        text = json.dumps([0, self.n, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        while True:
            answer = self.read()
            if answer[:2] == [1, self.n]:
                break
        if answer[2]:
            raise Failed(f"{command}: {answer[2].get('message')}\n"
                         f"{answer[2].get('stacktrace', '')[:500]}")
        return answer[3]

    def run(self, script, *arguments):
        """The value of an async function with that text."""
        text = ("const done = arguments[arguments.length - 1];"
                "const given = arguments;"
                f"(async () => {{ {HEAD} {script} }})()"
                ".then(v => done({ value: v }),"
                " e => done({ error: String(e) + (e.stack || '') }));")
        result = self.call("WebDriver:ExecuteAsyncScript", {
            "script": text, "args": list(arguments), "sandbox": "system",
            "newSandbox": True})["value"]
        if "error" in result:
            raise Failed(result["error"])
        return result.get("value")


class Thunderbird:
    """The program with a profile that has one IMAP account."""

    def __init__(self, lab):
        host = lab.mta1
        self.profile = os.path.join(lab.directory, "thunderbird")
        shutil.rmtree(self.profile, ignore_errors=True)
        os.makedirs(self.profile)
        self.port = free_port()
        values = {
            "marionette.port": self.port,
            "mail.accountmanager.accounts": "account1",
            "mail.accountmanager.defaultaccount": "account1",
            "mail.account.account1.identities": "id1",
            "mail.account.account1.server": "server1",
            "mail.identity.id1.useremail": USER,
            "mail.identity.id1.fullName": "Jörg Müller",
            "mail.identity.id1.smtpServer": "smtp1",
            "mail.identity.id1.fcc": True,
            "mail.identity.id1.fcc_folder":
                f"imap://{quote(USER)}@localhost/Sent",
            "mail.smtpservers": "smtp1",
            "mail.smtp.defaultserver": "smtp1",
            "mail.smtpserver.smtp1.type": "smtp",
            "mail.smtpserver.smtp1.hostname": "localhost",
            "mail.smtpserver.smtp1.port": host.ports["submission"],
            "mail.smtpserver.smtp1.username": USER,
            "mail.smtpserver.smtp1.try_ssl": 2,  # STARTTLS
            "mail.smtpserver.smtp1.authMethod": 3,
            "mail.server.server1.type": "imap",
            "mail.server.server1.hostname": "localhost",
            "mail.server.server1.port": host.ports["imap"],
            "mail.server.server1.userName": USER,
            "mail.server.server1.name": USER,
            "mail.server.server1.socketType": 2,  # STARTTLS
            "mail.server.server1.authMethod": 3,  # a password
            "mail.server.server1.login_at_startup": False,
            "mail.server.server1.check_new_mail": True,
            "mail.server.server1.use_idle": True,
            "mail.biff.show_alert": False,
            "mail.biff.play_sound": False,
            "mail.provider.suppress_dialog_on_startup": True,
            "mail.spotlight.firstRunDone": True,
            "mail.rights.version": 1,
            "mailnews.start_page.enabled": False,
            "app.donation.eoy.version.viewed": 999,
            "datareporting.policy.dataSubmissionEnabled": False,
            "toolkit.telemetry.enabled": False,
            "app.update.enabled": False,
            "network.captive-portal-service.enabled": False,
            "network.connectivity-service.enabled": False,
            "network.manage-offline-status": False,
            "offline.autoDetect": False,
            "mail.serverDefaultStoreContractID":
                "@mozilla.org/msgstore/maildirstore;1",
        }
        with open(os.path.join(self.profile, "user.js"), "w") as file:
            for key, value in values.items():
                file.write(f"user_pref({json.dumps(key)}, "
                           f"{json.dumps(value)});\n")
        self.log = open(os.path.join(lab.directory, "thunderbird.log"), "wb")
        self.process = subprocess.Popen(
            [need("thunderbird"), "--headless", "--marionette",
             "--remote-allow-system-access", "--no-remote", "--profile",
             self.profile], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=subprocess.STDOUT, start_new_session=True,
            env=dict(os.environ, HOME=self.profile, MOZ_HEADLESS="1",
                     LC_ALL="C.UTF-8", MOZ_LOG="IMAP:4,sync",
                     MOZ_LOG_FILE=os.path.join(self.profile, "imap.log")))
        try:
            wait_for("Thunderbird listens", self.listens, START_S)
            self.remote = Marionette(self.port)
        except BaseException:
            self.stop()
            raise

    def listens(self):
        expect_true(self.process.poll() is None, "Thunderbird has ended")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def imap_log(self):
        with open(os.path.join(self.profile, "imap.log.moz_log"),
                  "rb") as file:
            return file.read()

    def run(self, script, *arguments):
        return self.remote.run(script, *arguments)

    def wait(self, what, script, *arguments):
        return wait_for(what, lambda: self.run(script, *arguments), STEP_S)


def flags(host, message_id, folder="INBOX"):
    return host.flags(USER, message_id, folder)


@scenario
def thunderbird_goes_through_a_mailbox(lab):
    host = lab.mta1
    need("thunderbird")
    ids = []
    for i in range(6):
        message_id, content = message(f"bird {i}", f"Text {i} Übung.\r\n",
                                      recipient=USER)
        host.submit("user1@example1.local", USER, content)
        host.wait_mail(USER, message_id)
        ids.append(message_id)
    bird = Thunderbird(lab)
    try:
        journey(host, bird, ids)
    finally:
        bird.stop()


def journey(host, bird, ids):
    with open(os.path.join(host.state, "tls", "ca.pem")) as file:
        pem = "".join(file.read().split("-----")[2].split())
    bird.run("""
        const db = Cc["@mozilla.org/security/x509certdb;1"]
            .getService(Ci.nsIX509CertDB);
        db.addCertFromBase64(given[0], "CT,CT,CT");
        for (const url of ["imap://localhost", "smtp://localhost"]) {
            const login = Cc["@mozilla.org/login-manager/loginInfo;1"]
                .createInstance(Ci.nsILoginInfo);
            login.init(url, null, url, given[1], given[2], "", "");
            await Services.logins.addLoginAsync(login);
        }
        """, pem, USER, PASSWORD)

    # Folders and messages.
    bird.run("""server.getNewMessages(root, null, null);
        server.performExpand(Services.wm.getMostRecentWindow("mail:3pane")
            .msgWindow);""")
    bird.wait("the folders come", "return !!inbox && !!folder('Sent');")
    bird.run("inbox.updateFolder(null);")
    bird.wait("the messages come",
              f"return mails().length === {len(ids)};")

    # Reading.
    text = bird.run("""
        const uri = inbox.getUriForMsg(mail(given[0]));
        return await new Promise((good, bad) => {
            let text = "";
            MailServices.messageServiceFromURI(uri).streamMessage(uri, {
                QueryInterface: ChromeUtils.generateQI([
                    "nsIStreamListener", "nsIRequestObserver"]),
                onStartRequest() {},
                onDataAvailable(request, stream, offset, count) {
                    const input = Cc["@mozilla.org/scriptableinputstream;1"]
                        .createInstance(Ci.nsIScriptableInputStream);
                    input.init(stream);
                    text += input.read(count);
                },
                onStopRequest(request, status) {
                    status ? bad(new Error(status)) : good(text);
                },
            }, null, null, false, "");
        });""", ids[0])
    expect_true("Text 0" in text, f"the text: {text[-200:]!r}")

    # Flags.
    bird.run("""inbox.markMessagesRead([mail(given[0])], true);
        inbox.markMessagesFlagged([mail(given[1])], true);
        inbox.addKeywordsToMessages([mail(given[1])], "$label1");""", *ids)
    wait_for("seen", lambda: "\\Seen" in flags(host, ids[0]), STEP_S)
    wait_for("flagged", lambda: "\\Flagged" in flags(host, ids[1]), STEP_S)
    wait_for("labelled", lambda: "$label1" in flags(host, ids[1]), STEP_S)

    # A folder with a Unicode name, a copy, a move.
    bird.run("root.createSubfolder(given[0], null);", FOLDER)
    wait_for("the folder is there", lambda: b"&AMQ-rger" in b" ".join(
        host_list(host)), STEP_S)
    bird.wait("Thunderbird has it", "return !!folder(given[0]);", FOLDER)
    for n, is_move in ((2, "false"), (3, "true")):
        bird.run(f"""MailServices.copy.copyMessages(inbox,
            [mail(given[0])], folder(given[1]), {is_move}, null, null,
            false);""", ids[n], FOLDER)
        wait_for(f"copied, {is_move}", lambda n=n: flags(
            host, ids[n], FOLDER_UTF7) is not None, STEP_S)
    wait_for("moved away", lambda: flags(host, ids[3]) is None
             or "\\Deleted" in flags(host, ids[3]), STEP_S)
    expect_true(flags(host, ids[2]) is not None, "the copy took it away")

    # A search on the server.
    found = bird.run("""
        const search = Cc["@mozilla.org/messenger/searchSession;1"]
            .createInstance(Ci.nsIMsgSearchSession);
        search.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
        const term = search.createTerm();
        const value = term.value;
        term.attrib = value.attrib = Ci.nsMsgSearchAttrib.Body;
        value.str = "4 Übung";
        term.value = value;
        term.op = Ci.nsMsgSearchOp.Contains;
        search.appendTerm(term);
        return await new Promise(good => {
            const hits = [];
            search.registerListener({
                onSearchHit(header) { hits.push(header.messageId); },
                onSearchDone() { good(hits); },
                onNewSearch() {},
            });
            search.search(null);
        });""")
    expect(found, [ids[4]], "found on the server")

    # New mail is seen without asking: whoever looks at a folder idles there.
    # What came while it still looked would be seen at its next look alone.
    n_octets = len(bird.imap_log())
    bird.run("inbox.updateFolder(null);")
    bird.wait("it looks at INBOX", f"return mails().length === 5;")
    wait_for("it idles in INBOX", lambda: re.search(
        rb":S-INBOX:SendData: \d+ IDLE", bird.imap_log()[n_octets:]), STEP_S)
    message_id, content = message("new", recipient=USER)
    host.submit("user1@example1.local", USER, content)
    bird.wait("the new message is seen", "return !!mail(given[0]);",
              message_id)

    # Deleting, and the folder again.
    bird.run("""inbox.deleteMessages([mail(given[0])], null, false, false,
        null, false);""", ids[5])
    wait_for("in Trash", lambda: flags(host, ids[5], "Trash") is not None,
             STEP_S)
    bird.run("folder(given[0]).rename('Neu', null);", FOLDER)
    wait_for("renamed", lambda: flags(host, ids[3], "Neu") is not None,
             STEP_S)
    write(host, bird)


def write(host, bird):
    """A message with a file: to somebody else, and a copy in Sent."""
    path = os.path.join(bird.profile, "blüte.bin")
    octets = random.Random(7).randbytes(300_000)
    with open(path, "wb") as file:
        file.write(octets)
    bird.run("""
        const account = MailServices.accounts.defaultAccount;
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"]
            .createInstance(Ci.nsIMsgCompFields);
        fields.from = "Jörg Müller <" + given[0] + ">";
        fields.to = given[1];
        fields.subject = given[2];
        const file = Cc["@mozilla.org/file/local;1"]
            .createInstance(Ci.nsIFile);
        file.initWithPath(given[4]);
        const attachment = Cc["@mozilla.org/messengercompose/attachment;1"]
            .createInstance(Ci.nsIMsgAttachment);
        attachment.url = Services.io.newFileURI(file).spec;
        attachment.name = file.leafName;
        fields.addAttachment(attachment);
        await new Promise((good, bad) => {
            Cc["@mozilla.org/messengercompose/send;1"]
                .createInstance(Ci.nsIMsgSend).createAndSendMessage(
                    null, account.defaultIdentity, account.key, fields,
                    false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null,
                    "text/plain", given[3], null, null, {
                        QueryInterface: ChromeUtils.generateQI([
                            "nsIMsgSendListener"]),
                        onStartSending() {},
                        onSendProgress() {},
                        onStatus() {},
                        onSendNotPerformed(id, status) {
                            bad(new Error("not sent: " + status));
                        },
                        onGetDraftFolderURI() {},
                        onTransportSecurityError() {},
                        onStopSending(id, status, text) {
                            status ? bad(new Error(status + " " + text))
                                : good();
                        },
                    }, "", "", Ci.nsIMsgCompType.New);
        });""", USER, FRIEND, SUBJECT, TEXT, path)
    for user, folder in ((FRIEND, "INBOX"), (USER, "Sent")):
        mail = wait_for(f"the mail is in {folder}",
                        lambda user=user, folder=folder: read_mail(
                            host, user, folder), STEP_S)
        expect(mail["Subject"], SUBJECT, folder)
        text, attachment = mail.iter_parts()
        expect(text.get_content().replace("\r\n", "\n").rstrip("\n"), TEXT,
               folder)
        expect(attachment.get_filename(), "blüte.bin", folder)
        expect_true(attachment.get_content() == octets,
                    f"the file is another one in {folder}")


def read_mail(host, user, folder):
    """The one in the folder that has the subject of ours, or None."""
    with host.imap(user) as client:
        client.select(folder, readonly=True)
        client.literal = SUBJECT.encode()
        found = client.search("UTF-8", "SUBJECT")[1][0].split()
        if not found:
            return None
        expect(len(found), 1, folder)
        octets = client.fetch(found[0], "(BODY.PEEK[])")[1][0][1]
    return email.message_from_bytes(octets, policy=email.policy.default)


def host_list(host):
    with host.imap(USER) as client:
        return client.list()[1]


if __name__ == "__main__":
    main()
