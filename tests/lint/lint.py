#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make lint: rules that the compiler does not know.

  arrows    who may include whom (the table below)
  alone     every header compiles by itself
  durable   rename and the sync calls are in lib/rt/fs.c alone
  heads     every C file begins with its licence and its name
  mutants   every planted fault of tests/mutants fits the code
  pages     files and functions that HACKING.md and doc/ name are there
  manual    mailctl.8 has every command of mailctl, and the words it takes
It also prints the ten longest functions, and how many files clang-format
would change; these two fail nothing."""

import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
FOLDERS = ("lib", "mta", "router", "mda", "ctl")
# A folder may include itself and these. Anything of a program may include
# lib; what a program's own folders may include of it is in inside().
LIBRARIES = {
    "lib/base": (),
    "lib/mail": ("lib/base",),
    "lib/ipc": ("lib/base",),
    "lib/rt": ("lib/base", "lib/ipc"),  # channels carry its frames
}
# mailctl explains and lints by the code that routes.
PROGRAMS = {"mta": (), "router": (), "mda": (), "ctl": ("router",)}
# router/serve is the process; route and map are its libraries.
LAYERS = {"router/serve": ("router/route", "router/map"),
          "router/route": ("router/map",)}
DURABLE = ("rename", "renameat", "renameat2", "fsync", "fdatasync", "syncfs",
           "sync_file_range")
DURABLE_HOME = "lib/rt/fs.c"

failed = False


def report(name, faults):
    global failed
    if faults:
        failed = True
        print(f"not ok - lint: {name}: {len(faults)}")
        for fault in faults[:20]:
            print(f"    {fault}")
    else:
        print(f"ok - lint: {name}")


def sources(pattern="*.[ch]"):
    found = []
    for folder in FOLDERS:
        found += glob.glob(f"{folder}/**/{pattern}", root_dir=ROOT,
                           recursive=True)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """Comments and strings become blanks; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text,
                  flags=re.S)


def folder_of(path):
    """lib/base, mta/in, mda/front, or the program itself."""
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def may_include(source, target):
    """None, or the reason why not."""
    own, other = folder_of(source), folder_of(target)
    if own == other or other == "lib/base":
        return None
    if own in LIBRARIES:
        return None if other in LIBRARIES[own] else f"{own} is below {other}"
    program, foreign = own.split("/")[0], other.split("/")[0]
    if foreign == "lib":
        return None
    if foreign != program:
        return None if foreign in PROGRAMS[program] \
            else f"{program} knows {foreign} by its protocol only"
    if source.endswith("_test.c") or "/" not in own:
        return None  # a program's main file brings its folders together
    return None if other in LAYERS.get(own, ()) or "/" not in other \
        else f"{own} and {other} are siblings"


def check_arrows():
    faults = []
    for path in sources():
        for i, line in enumerate(read(path).splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = found.group(1)
            if target.startswith("tests/unit/") and \
                    path.endswith("_test.c"):
                continue
            if not os.path.exists(os.path.join(ROOT, target)):
                # x_test.c includes x.c beside it
                if os.path.exists(os.path.join(
                        ROOT, os.path.dirname(path), target)):
                    continue
                faults.append(f"{path}:{i}: {target} is not written from "
                              "the root")
                continue
            reason = may_include(path, target)
            if reason:
                faults.append(f"{path}:{i}: {target}: {reason}")
    report("include arrows", faults)


def compile_alone(path):
    result = subprocess.run(
        [*os.environ.get("CC", "gcc").split(), "-std=gnu11", "-D_GNU_SOURCE", "-I.",
         "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
         "-fsyntax-only", "-x", "c", "-include", path, "/dev/null"],
        cwd=ROOT, capture_output=True, text=True)
    return f"{path}: {result.stderr.strip()[:300]}" if result.returncode \
        else None


def check_headers():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [f for f in pool.map(compile_alone, sources("*.h")) if f]
    report("headers compile alone", faults)


def check_durable():
    faults = []
    calls = re.compile(r"(?<![\w.>])(" + "|".join(DURABLE) + r")\s*\(")
    for path in sources("*.c"):
        if path == DURABLE_HOME or path.endswith("_test.c"):
            continue
        for i, line in enumerate(without_comments(read(path)).splitlines(),
                                 1):
            found = calls.search(line)
            if found:
                faults.append(f"{path}:{i}: {found.group(1)}() belongs into "
                              f"{DURABLE_HOME}")
    report("rename and sync", faults)


def check_heads():
    faults = [path for path in sources()
              if not read(path).startswith("/* SPDX-License-Identifier: MIT\n"
                                           f" * {path}")]
    report("licence and name", faults)


def find(name, paths):
    return [path for path in paths if path == name or
            path.endswith("/" + name)]


def check_pages():
    """In code quotes: `file`, `file: name()`, `test.py: name`, `name()`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
        capture_output=True, text=True).stdout.splitlines()
    pages = [path for path in listed if path == "HACKING.md" or
             path.startswith("doc/") and path.endswith(".md")]
    code = {path: read(path) for path in listed
            if path.endswith((".c", ".h", ".py", ".S")) and
            os.path.exists(os.path.join(ROOT, path))}
    called = set(re.findall(r"\b(\w+)\(", "\n".join(code.values())))
    faults = []
    for page in pages:
        prose = re.sub(r"^```.*?^```$", lambda fence: "\n" *
                       fence.group(0).count("\n"), read(page),
                       flags=re.M | re.S)
        for quote in re.finditer(r"`([^`]+)`", prose):
            text = re.sub(r"\s+", " ", quote.group(1))
            line = prose[:quote.start()].count("\n") + 1
            for name in re.findall(r"[\w./-]+\.(?:c|h|py|S|md|mk)\b", text):
                # x.c, NAME.c and PAIR.h stand for any
                if not find(name.split("../")[-1], listed) and \
                        not re.search(r"\bx\.c|x_test|[A-Z]{4}", name):
                    faults.append(f"{page}:{line}: there is no {name}")
            faults += [f"{page}:{line}: there is no {name}()" for name in
                       re.findall(r"\b([a-z][a-z0-9_]+)\(\)", text)
                       if name not in called]
            which = re.match(r"([\w./]+\.(?:[ch]|py)): (\w+)", text)
            homes = find(which.group(1), code) if which else []
            if homes and not any(which.group(2) in code[h] for h in homes):
                faults.append(f"{page}:{line}: {which.group(2)} is not in "
                              f"{which.group(1)}")
    report("pages", faults)


def check_mutants():
    """Code that moved leaves them behind; nobody would see it for long."""
    program = shutil.which("patch")
    if program is None:
        print("# patch is not installed")
        return
    faults = []
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/mutants/*.patch"))):
        result = subprocess.run(
            [program, "-p1", "--dry-run", "-s", "-N", "-i", path], cwd=ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if result.returncode != 0:
            faults.append(f"{os.path.relpath(path, ROOT)} does not apply: "
                          "make it follow the code")
    report("mutants apply", faults)


def check_manual():
    """Help and completion are made of one table; the page is written."""
    rows = re.findall(r'"(?P<name>[\w-]+)", \w+_main,(?P<rest>.*?) },\n',
                      read("ctl/mailctl.c"), flags=re.S)
    page = read("doc/man/mailctl.8").replace("\\", "")
    synopsis, text = page.split(".SH DESCRIPTION", 1)
    entries = re.findall(r"^\.B mailctl ([\w-]+)(.*?)(?=^\.B mailctl|\Z)",
                         synopsis, flags=re.M | re.S)
    faults = []
    for name, rest in rows:
        # The words are the last string of the row.
        words = re.sub(r'"\s+"', "", rest).strip().rsplit(",", 1)[-1]
        told = " ".join(more for which, more in entries if which == name)
        if not any(which == name for which, _ in entries) or \
                not re.search(rf"^\.BR? .*\b{name}\b", text, flags=re.M):
            faults.append(f"doc/man/mailctl.8: no {name}")
        faults += [f"doc/man/mailctl.8: no {word} of mailctl {name}"
                   for word in words.strip(' "\n\t').split()
                   if word != "NULL" and
                   not re.search(rf"(?<![\w-]){word}(?![\w-])", told)]
    if len(rows) < 10:
        faults.append("ctl/mailctl.c: the table of commands was not found")
    report("manual of mailctl", faults)


def print_longest():
    found = []
    for path in sources("*.c"):
        if path.endswith("_test.c"):
            continue
        lines = without_comments(read(path)).splitlines()
        start = None
        for i, line in enumerate(lines):
            if line == "{":
                start = i
            elif line == "}" and start is not None:
                name = re.sub(r"\(.*", "", next(
                    (x for x in reversed(lines[max(0, start - 8):start])
                     if re.match(r"\w+\(", x)), "?"))
                found.append((i - start + 1, path, name))
                start = None
    found.sort(reverse=True)
    if found:
        lengths = sorted(n for n, _, _ in found)
        print(f"# {len(found)} functions, median "
              f"{lengths[len(lengths) // 2]} lines, nine in ten below "
              f"{lengths[len(lengths) * 9 // 10] + 1}; the longest:")
    for n, path, name in found[:10]:
        print(f"#   {n:4} {path} {name}")


def print_format():
    program = shutil.which("clang-format")
    if program is None:
        print("# clang-format is not installed")
        return
    def differs(path):
        return subprocess.run(
            [program, "--dry-run", "-Werror", path], cwd=ROOT,
            capture_output=True).returncode != 0
    files = sources()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        n = sum(pool.map(differs, files))
    print(f"# clang-format would change {n} of {len(files)} files")


def main():
    check_arrows()
    check_headers()
    check_durable()
    check_heads()
    check_mutants()
    check_pages()
    check_manual()
    print_longest()
    print_format()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
