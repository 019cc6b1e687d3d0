"""Starting, killing and measuring servers for the benches of this folder. Needs Linux (/proc)."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request


def process_seconds(pid):
    """CPU time that a process has used, user and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Node:
    """One `vecraft serve`; stops what it started, by its process id.

    On its own it serves a directory on free ports; with `config`, it is node `number` of that cluster.toml.
    """

    def __init__(self, binary, directory, config=None, number=1):
        self.binary, self.directory = binary, pathlib.Path(directory)
        self.config, self.number = config, number
        self.process = None

    def spawn(self, port=0):
        """Starts it without waiting."""
        if self.config:
            where = ["--config", str(self.config), "--node", str(self.number)]
        else:
            where = ["--data-dir", str(self.directory), "--listen", f"127.0.0.1:{port}"]
        self.process = subprocess.Popen(
            [self.binary, "serve", *where, "--log-level", "warn"], stdout=subprocess.DEVNULL)

    def await_serving(self):
        """Returns when `run.json` names our process: it serves."""
        while self.process.poll() is None:
            try:
                run = json.loads((self.directory / "run.json").read_text())
            except (FileNotFoundError, json.JSONDecodeError):
                run = {}
            if run.get("pid") == self.process.pid and not run.get("is_starting"):
                self.addresses = run["addresses"]
                return
            time.sleep(0.002)
        raise SystemExit(f"{self.binary} ended with status {self.process.returncode}")

    def start(self, port=0):
        """Starts it; returns seconds until it says it serves."""
        began = time.monotonic()
        self.spawn(port)
        self.await_serving()
        return time.monotonic() - began

    @property
    def uri(self):
        return "http://" + self.addresses["milvus"]

    @property
    def port(self):
        return int(self.addresses["milvus"].rsplit(":")[-1])

    def health(self):
        """OK, or what is not well (503 while a node that just started catches up)."""
        try:
            with urllib.request.urlopen(f"http://{self.addresses['http']}/healthz", timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()

    def metrics(self):
        """Figures of /metrics without labels, by name."""
        with urllib.request.urlopen(f"http://{self.addresses['http']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def cpu_seconds(self):
        return process_seconds(self.process.pid)

    def memory_mib(self):
        """Resident memory and the part of it that is not mapped files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        value = lambda key: int(status.split(key + ":")[1].split()[0]) / 1024
        return value("VmRSS"), value("RssAnon")

    def read_mib(self):
        """What it has had read from disks so far."""
        fields = dict(line.split(": ") for line in pathlib.Path(f"/proc/{self.process.pid}/io").read_text().splitlines())
        return int(fields["read_bytes"]) / 2**20

    def disk_mib(self):
        total = 0
        for file in self.directory.rglob("*"):
            try:
                total += file.stat().st_blocks * 512 if file.is_file() else 0
            except FileNotFoundError:
                pass  # removed while we looked
        return total / 2**20

    def stop(self, with_signal=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(with_signal)
            self.process.wait()


def await_health(server, patience=30):
    """Waits until a node, or all of a cluster, say OK."""
    end = time.monotonic() + patience
    while (said := server.health()) != "OK":
        if time.monotonic() > end:
            raise SystemExit(f"not well after {patience} s: {said}")
        time.sleep(0.005)


class Cluster:
    """Several nodes on this machine, with the face of one: figures are sums, the door is the first node's."""

    def __init__(self, binary, directory, count, settings=""):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "cluster.toml"
        ports = free_ports(4 * count)
        text = f'[cluster]\nname = "bench"\n{settings}\n'
        for number in range(1, count + 1):
            milvus, client, node, http = (ports.pop() for _ in range(4))
            text += (f'[[node]]\nid = {number}\nhost = "127.0.0.1"\ndata_dir = "{directory}/{number}"\n'
                     f"milvus_port = {milvus}\nclient_port = {client}\nnode_port = {node}\nhttp_port = {http}\n")
        config.write_text(text)
        self.nodes = [Node(binary, directory / str(n), config, n) for n in range(1, count + 1)]

    def start(self, port=0):
        """Starts all at once; returns seconds until all serve. Ports stay what they are."""
        began = time.monotonic()
        for node in self.nodes:
            node.spawn()
        for node in self.nodes:
            node.await_serving()
        return time.monotonic() - began

    @property
    def uri(self):
        return self.nodes[0].uri

    @property
    def port(self):
        return self.nodes[0].port

    def health(self):
        answers = {node.health() for node in self.nodes}
        return answers.pop() if len(answers) == 1 else str(answers)

    def cpu_seconds(self):
        return sum(node.cpu_seconds() for node in self.nodes)

    def memory_mib(self):
        resident, anonymous = zip(*(node.memory_mib() for node in self.nodes))
        return sum(resident), sum(anonymous)

    def disk_mib(self):
        return sum(node.disk_mib() for node in self.nodes)

    def stop(self, with_signal=signal.SIGTERM):
        running = [node.process for node in self.nodes if node.process and node.process.poll() is None]
        for process in running:
            process.send_signal(with_signal)
        for process in running:
            process.wait()


def server(binary, directory, nodes, settings=""):
    """One node, or a cluster of so many."""
    return Node(binary, directory) if nodes == 1 else Cluster(binary, directory, nodes, settings)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for held in sockets:
        held.bind(("127.0.0.1", 0))
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports
