#!/usr/bin/env python3
"""What a gate takes: time until it is ready, memory when idle and under load, CPU a thousand checks a
second, and what policies and data of some size add. Prints the tables of docs/sizing.md.

    sizing.py PROGRAM GENERATOR

PROGRAM is the portcullis that is measured, GENERATOR the binary of the benchmark `load`, whose open loop
asks it. The gate has the first core for itself, the generator the second; nothing else should run.
"""

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STARTS = 15
RATES = [0, 1_000, 2_000, 5_000, 10_000]
WINDOW = 10
IDLE = 1.0
PATIENCE = 60
# The published skeleton, for the request that the generator sends: it is allowed.
POLICY = """package envoy.authz

default allow := false

allow if {
	input.attributes.source.principal == "spiffe://cluster.local/ns/foo/sa/sleep"
	claims := input.attributes.metadata_context.filter_metadata["envoy.filters.http.jwt_authn"].fields
	claims["num"] == 7
}
"""
GOAL_READY = 300
GOAL_IDLE = 20


class Gate:
    """A running gate."""

    def __init__(self, program, arguments, threads=None):
        ports = [free_port(), free_port()]
        self.check, self.admin = ports
        command = ["taskset", "--cpu-list", "0", program, "run"]
        command += ["--set", f"plugins.envoy_ext_authz_grpc.addr=127.0.0.1:{self.check}"]
        command += ["--set", f"portcullis.admin.addr=127.0.0.1:{self.admin}"]
        command += ["--set", "portcullis.observe.addr=off", "--set", "portcullis.shutdown.grace=0s"]
        # As the image has it.
        environment = dict(os.environ, MIMALLOC_ALLOW_THP="0", TOKIO_WORKER_THREADS=str(threads or 2))
        began = time.monotonic()
        self.process = subprocess.Popen(
            command + arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - began > PATIENCE:
                sys.exit(f"`{' '.join(map(str, command + arguments))}` does not get ready")
        self.ready_after = (time.monotonic() - began) * 1000

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=1)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def resident(self):
        """MiB that are resident: all of it, and without the pages of the binary, which others share."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        kibibytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}
        return kibibytes["VmRSS"] / 1024, kibibytes["RssAnon"] / 1024

    def peak(self):
        """The most that was ever resident, in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", text, re.M).group(1)) / 1024

    def cpu(self):
        """Seconds on a CPU, of all threads."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def starts(program, policy):
    print("\n| start | ready after, median | slowest | resident, idle | of it anonymous |")
    print("|---|---|---|---|---|")
    rows = [("embedded default policy", [])]
    rows += [("a ConfigMap policy, followed (`--watch`)", ["--watch", policy])]
    first = None
    for name, arguments in rows:
        took, resident = [], []
        for _ in range(STARTS):
            gate = Gate(program, arguments)
            took.append(gate.ready_after)
            time.sleep(IDLE / 4)
            resident.append(gate.resident())
            gate.stop()
        whole, anonymous = (statistics.median(sizes) for sizes in zip(*resident))
        row = statistics.median(took), max(took), whole, anonymous
        first = first or row
        print("| {} | {:.0f} ms | {:.0f} ms | {:.1f} MiB | {:.1f} MiB |".format(name, *row))
    return first


def threads(program):
    print("\n| worker threads | resident, idle | of it anonymous |")
    print("|---|---|---|")
    for count in [1, 2, 4, 16, 64]:
        gate = Gate(program, [], count)
        time.sleep(IDLE)
        print("| {} | {:.1f} MiB | {:.1f} MiB |".format(count, *gate.resident()))
        gate.stop()


def rates(program, policy, generator):
    print("\n| checks a second | cores | cores per 1,000 a second | resident | p50 | p99 |")
    print("|---|---|---|---|---|---|")
    for rate in RATES:
        gate = Gate(program, [policy])
        if rate:
            load(generator, gate, rate, 2)
        cpu, began = gate.cpu(), time.monotonic()
        median, tail = load(generator, gate, rate, WINDOW) if rate else (None, None)
        if not rate:
            time.sleep(WINDOW)
        cores = (gate.cpu() - cpu) / (time.monotonic() - began)
        whole, _ = gate.resident()
        gate.stop()
        per = f"{cores * 1000 / rate:.3f}" if rate else ""
        latencies = [f"{value} µs" if value else "" for value in (median, tail)]
        print(f"| {rate:,} | {cores:.3f} | {per} | {whole:.1f} MiB | {' | '.join(latencies)} |")


def load(generator, gate, rate, seconds):
    """An open loop; every check must be answered."""
    command = ["taskset", "--cpu-list", "1", generator, "open", "--target", f"http://127.0.0.1:{gate.check}"]
    command += ["--rate", str(rate), "--duration", f"{seconds}s", "--connections", "4", "--expect", "allowed"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the load failed:\n{done.stdout}{done.stderr}")
    columns = re.search(r"^\s+allowed\s+(.*)$", done.stdout, re.M).group(1).split()
    return columns[2], columns[4]


def sizes(program, policy):
    print("\n| policy and data | size | ready after | resident, idle | most while loading |")
    print("|---|---|---|---|---|")
    for count in [100, 1_000, 3_000]:
        row(program, [], f"{count:,} rules", "rules.rego", rules(count))
    for count in [1_000, 10_000, 100_000]:
        text = json.dumps({"users": {f"user-{n:07}": user(n) for n in range(count)}})
        row(program, [policy], f"{count:,} objects of data", "data.json", text)


def row(program, arguments, name, file, text):
    path = FOLDER / file
    path.write_text(text)
    arguments = [*arguments, str(path)]
    gate = Gate(program, arguments)
    time.sleep(IDLE)
    whole, _ = gate.resident()
    print(f"| {name} | {len(text) / 1e6:.2f} MB | {gate.ready_after:.0f} ms | {whole:.1f} MiB | {gate.peak():.1f} MiB |")
    gate.stop()
    path.unlink()


def rules(count):
    head = "package envoy.authz\n\ndefault allow := false\n"
    rule = '\nallow if {{\n\tinput.parsed_path == ["team-{0}", "orders"]\n\tinput.attributes.request.http.method == "GET"\n}}\n'
    return head + "".join(rule.format(n) for n in range(count))


def user(n):
    return {"team": f"team-{n % 100}", "roles": ["reader", f"role-{n % 7}"], "active": n % 3 > 0}


def main():
    program, generator = (str(Path(path).resolve()) for path in sys.argv[1:3])
    size = os.stat(program).st_size / 1e6
    print(f"{size:.1f} MB, load average {os.getloadavg()[0]:.2f}")
    policy = FOLDER / "policy.rego"
    policy.write_text(POLICY)
    ready, _, idle, _ = starts(program, str(policy))
    threads(program)
    rates(program, str(policy), generator)
    sizes(program, str(policy))
    goals = [("ready", ready, GOAL_READY, "ms"), ("idle", idle, GOAL_IDLE, "MiB")]
    print()
    for name, found, goal, unit in goals:
        print(f"{'PASS' if found <= goal else 'MISS'}  {name}: {found:.1f} {unit}, goal {goal} {unit}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        FOLDER = Path(temporary)
        main()
