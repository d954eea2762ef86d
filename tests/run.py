#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""make test: builds, then runs units, replays, scenarios and a short crash.

    tests/run.py [--only WORD] [--jobs N] [--kills N]

Each job is a program of its own; its output is kept in build/test/log/ and
shown when it failed. A scenario that failed beside others runs once more,
alone. The last line is "N passed, N failed"."""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test", "log")
JOB_TIMEOUT_S = 300
CRASH_TIMEOUT_S = 420
SKIPPED_CODE = 77
# Those that drive programs over sockets, many at a time, get a second chance,
# alone: what passes then is named as unsteady. If many fail, none gets one.
REPEATED = ("scenario", "interop")
REPEATED_MAX = 10
PYTHON = sys.executable


class Job:
    """One program to run, and how to read what it printed."""

    def __init__(self, name, command, kind, timeout_s=JOB_TIMEOUT_S,
                 alone=False, environment=None):
        self.name, self.command, self.kind = name, command, kind
        self.timeout_s, self.alone = timeout_s, alone
        self.environment = environment or {}
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.is_second = False
        self.output = ""

    def run(self):
        path = os.path.join(LOGS, self.name.replace("/", "_") + ".log")
        began = time.monotonic()
        program = os.path.join(ROOT, self.command[0])
        if "/" in self.command[0] and not os.path.exists(program):
            self.failed, self.output = 1, f"{program} was not built\n"
            return self
        with open(path, "wb") as log:
            process = subprocess.Popen(
                self.command, cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
                env=dict(os.environ, **self.environment))
            try:
                code = process.wait(self.timeout_s)
            except subprocess.TimeoutExpired:
                process.terminate()  # a scenario then ends its hosts
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                code = "timeout"
        self.seconds = time.monotonic() - began
        with open(path, errors="replace") as log:
            self.output = log.read()
        self.count(code)
        return self

    def once_more(self):
        self.passed = self.failed = self.skipped = 0
        self.is_second = True
        return self.run()

    def count(self, code):
        if self.kind == "unit":
            self.passed = len(re.findall(r"^\[ +OK \]", self.output, re.M))
            self.failed = len(set(re.findall(
                r"^\[  FAILED  \] ([A-Za-z_]\w*)", self.output, re.M)))
        elif self.kind in ("replay", "interop"):
            self.passed = 1 if code == 0 else 0
            if code == SKIPPED_CODE:
                self.skipped, code = 1, 0
        else:
            self.passed = len(re.findall(r"^ok - ", self.output, re.M))
            self.failed = len(re.findall(r"^not ok - ", self.output, re.M))
            self.skipped = len(re.findall(r"^skip - ", self.output, re.M))
        nothing = self.passed + self.failed + self.skipped == 0
        if (code != 0 or nothing) and self.failed == 0:
            self.failed = 1
            self.output += f"\n{self.name}: exit code {code}" + (
                ", and nothing was tested" if nothing else "") + "\n"

    def show(self):
        """What a person needs who has to mend it."""
        if self.kind == "scenario" or self.kind == "crash":
            lines = [line for line in self.output.splitlines()
                     if not line.startswith(("ok - ", "skip - "))]
        elif self.kind == "unit":
            lines = [line for line in self.output.splitlines()
                     if not re.match(r"\[ (RUN|  *OK) ", line)]
        else:
            lines = self.output.splitlines()
        for line in lines[-60:]:
            print(f"    {line}")
        print(f"    again: {' '.join(self.command)}", flush=True)


def unit_jobs():
    sources = []
    for part in ("lib/*", "mta/*", "router/*", "mda/*", "mda/*/*", "ctl"):
        sources += glob.glob(os.path.join(part, "*_test.c"), root_dir=ROOT)
    return [Job(source[:-2], [f"build/dev/test/{source[:-2]}"], "unit",
                60) for source in sorted(sources)]


def replay_jobs():
    names = sorted(os.path.basename(path)[len("fuzz_"):-2] for path in
                   glob.glob(os.path.join(ROOT, "tests/fuzz/fuzz_*.c")))
    return [Job(f"fuzz/{name}", [f"build/dev/replay/{name}",
                                 f"tests/fuzz/corpus/{name}"], "replay", 60)
            for name in names] + [Job("fuzz/growth", ["build/dev/growth"],
                                      "replay", 60)]


def scenario_jobs():
    """Both builds; a file that says RELEASE_ONLY is run on release alone."""
    jobs = []
    for path in sorted(glob.glob(os.path.join(ROOT,
                                              "tests/scenario/*.py"))):
        name = os.path.basename(path)[:-3]
        if name.startswith("frame"):
            continue
        with open(path) as file:
            source = file.read()
        is_release_only = "RELEASE_ONLY" in source
        for build in ["release"] + ([] if is_release_only else ["dev"]):
            jobs.append(Job(f"scenario/{name}-{build}",
                            [PYTHON, os.path.relpath(path, ROOT),
                             "--build", build], "scenario",
                            alone="RUNS_ALONE" in source))
    return jobs


def lint_jobs():
    return [Job("lint", [PYTHON, "tests/lint/lint.py"], "scenario")]


def crash_jobs(kills):
    return [Job("crash", [PYTHON, "tests/crash/kill.py", "--kills",
                          str(kills)], "crash", CRASH_TIMEOUT_S)]


def other_jobs():
    """Comparisons with other people's programs (exit code 77: not here), and
    programs of other folders that print "ok - " lines when run."""
    jobs = [Job("interop/" + os.path.basename(path)[:-3],
                [PYTHON, os.path.relpath(path, ROOT)], "interop")
            for path in sorted(glob.glob(os.path.join(
                ROOT, "tests/interop/*.py")))]
    for path in sorted(glob.glob(os.path.join(ROOT, "tests/*/test_*"))):
        if os.access(path, os.X_OK):
            name = os.path.relpath(path, os.path.join(ROOT, "tests"))
            jobs.append(Job(name, [os.path.relpath(path, ROOT)],
                            "scenario"))
    return jobs


def build(jobs, n_jobs):
    """Everything that the chosen jobs need; a failure is told, not fatal:
    what was built is still tested."""
    targets = []
    if any(j.kind in ("scenario", "crash") for j in jobs):
        targets += ["all", "dev", "test-tools"]
    targets += [j.command[0] for j in jobs if j.kind in ("unit", "replay")]
    print(f"# building {len(targets)} targets", flush=True)
    began = time.monotonic()
    result = subprocess.run(
        ["make", "-k", "-s", "--no-print-directory", f"-j{n_jobs}",
         *targets], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items()
             if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")})
    print(f"# built in {time.monotonic() - began:.0f} s", flush=True)
    if result.returncode != 0:
        lines = [line for line in result.stderr.splitlines()
                 if "not remade" not in line]
        print("\n".join(lines[-60:]))
        print("not ok - build\n    again: make -k all dev units replays")
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--kills", type=int, default=30)
    options = parser.parse_args()

    os.makedirs(LOGS, exist_ok=True)
    began = time.monotonic()
    jobs = (unit_jobs() + replay_jobs() + lint_jobs() + other_jobs()
            + crash_jobs(options.kills) + scenario_jobs())
    jobs = [job for job in jobs if options.only in job.name]
    if not jobs:
        print(f"no test has {options.only!r} in its name")
        print("0 passed, 1 failed")
        return 1
    failed = 0 if build(jobs, options.jobs) else 1
    passed = skipped = n_done = 0
    lock = threading.Lock()
    to_repeat, unsteady = [], []

    def done(job):
        nonlocal passed, failed, skipped, n_done
        with lock:
            n_done += not job.is_second
            state = "ok  " if job.failed == 0 else "FAIL"
            if job.failed and job.kind in REPEATED and not job.is_second:
                to_repeat.append(job)
            else:
                passed += job.passed
                failed += job.failed
                skipped += job.skipped
            if job.is_second and not job.failed:
                unsteady.append(job.name)
            print(f"{state} [{n_done}/{len(jobs)}] {job.name}: "
                  f"{job.passed} passed"
                  + (f", {job.failed} failed" if job.failed else "")
                  + (f", {job.skipped} skipped" if job.skipped else "")
                  + f" ({job.seconds:.1f} s)", flush=True)
            if job.failed:
                job.show()

    # Long ones first, so that no core is idle at the end.
    order = {"crash": 0, "scenario": 1, "interop": 2, "unit": 3,
             "replay": 4}
    together = sorted((j for j in jobs if not j.alone),
                      key=lambda j: order[j.kind])
    # Scenarios wait more than they compute.
    with concurrent.futures.ThreadPoolExecutor(
            max(2, options.jobs + 1)) as pool:
        for future in concurrent.futures.as_completed(
                [pool.submit(job.run) for job in together]):
            done(future.result())
    for job in jobs:
        if job.alone:
            done(job.run())
    if 0 < len(to_repeat) <= REPEATED_MAX:
        print("# what failed, once more and alone")
        for job in to_repeat:
            done(job.once_more())
    else:
        failed += sum(job.failed for job in to_repeat)
        passed += sum(job.passed for job in to_repeat)
    if unsteady:
        print(f"# UNSTEADY, failed once beside others: {' '.join(unsteady)}")
    if skipped:
        print(f"{skipped} skipped: build/test/log/ says why")
    print(f"# {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
