"""A ledger that is served from a directory, for the scripts beside this."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LEDGER = os.environ.get("FUNDLEDGER", str(ROOT / "target/release/fundledger"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A server on a directory."""

    def __init__(self, data):
        self.data, self.process = data, None
        self.url = f"http://127.0.0.1:{free_port()}"

    def start(self):
        """Starts it; gives the seconds until it answers."""
        began = time.monotonic()
        listen = self.url.removeprefix("http://")
        self.process = subprocess.Popen(
            [LEDGER, "serve", "--data", self.data, "--listen", listen, "--insecure-dev"],
            stdout=subprocess.DEVNULL, stderr=open(f"{self.data}.log", "a"))
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the server ended; {self.data}.log says why")
            asked = subprocess.run([LEDGER, "funds", "--server", self.url], capture_output=True)
            if asked.returncode == 0:
                return time.monotonic() - began
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait()
        return time.monotonic() - began

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def bench(self, *arguments):
        ran = subprocess.run([LEDGER, "bench", "--server", self.url, "-q", "--format", "json", *map(str, arguments)],
                             capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit(ran.stderr)
        return json.loads(ran.stdout)


def bytes_of(path):
    return sum(file.stat().st_size for file in pathlib.Path(path).rglob("*") if file.is_file())
