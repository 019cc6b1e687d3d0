"""Starting, killing and measuring one server for the benches of this folder. Needs Linux (/proc)."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request


class Node:
    """One `vecraft serve` on a directory; stops what it started, by its process id."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, pathlib.Path(directory)
        self.process = None

    def start(self, port=0):
        """Starts it; returns seconds until it says it serves (`run.json` names our pid)."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data-dir", str(self.directory), "--listen", f"127.0.0.1:{port}",
             "--log-level", "warn"],
            stdout=subprocess.DEVNULL)
        while self.process.poll() is None:
            try:
                run = json.loads((self.directory / "run.json").read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                run = {}
            if run.get("pid") == self.process.pid:
                self.addresses = run["addresses"]
                return time.monotonic() - began
            time.sleep(0.002)
        raise SystemExit(f"{self.binary} ended with status {self.process.returncode}")

    @property
    def uri(self):
        return "http://" + self.addresses["milvus"]

    def health(self):
        with urllib.request.urlopen(f"http://{self.addresses['http']}/healthz", timeout=5) as answer:
            return answer.read().decode()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        """Resident memory and the part of it that is not mapped files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        value = lambda key: int(status.split(key + ":")[1].split()[0]) / 1024
        return value("VmRSS"), value("RssAnon")

    def disk_mib(self):
        files = (f for f in self.directory.rglob("*") if f.is_file())
        return sum(f.stat().st_blocks * 512 for f in files) / 2**20

    def stop(self, with_signal=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait()
