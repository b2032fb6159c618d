#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A real Prometheus scrapes `doectl metrics --serve` and answers queries on what doed counts; promtool finds nothing to
mend; the counters are those of the bus; without doed a scrape fails and says why."""

import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from doed_client import ECHO, SKIPPED, Client, doectl_json, held, kill, mailbox_name, run, wait_until

ANSWER_SEC = 30

CONFIG = """

scrape_configs:
  - job_name: doed
    scrape_interval: 1s
    scrape_timeout: 1s
    static_configs: [{{targets: ["{target}"]}}]
"""


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


def get(url):
    with urllib.request.urlopen(url, timeout=ANSWER_SEC) as answer:
        return answer.headers, answer.read().decode()


def answers(url):
    try:
        get(url)
    except OSError:  # not yet there, or not yet ready
        return False
    return True


@contextlib.contextmanager
def running(url, *command, **options):
    process = subprocess.Popen(command, **options)
    try:
        wait_until(f"{command[0]} answers", lambda: answers(url), timeout_sec=60)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def query(server, text):
    _headers, body = get(f"http://{server}/api/v1/query?" + urllib.parse.urlencode({"query": text}))
    answer = json.loads(body)
    assert answer["status"] == "success", answer
    return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]


def exchanges_counted(server, name):
    samples = query(server, f'doed_exchanges_total{{mailbox="{name}",feature="1234:01",result="ok"}}')
    return [value for _labels, value in samples]


def is_clean_for_promtool():
    text = run("doectl", "metrics")
    assert text.returncode == 0, text
    checked = run("promtool", "check", "metrics", input=text.stdout)
    assert checked.returncode == 0 and not checked.stdout and not checked.stderr, checked


def counts_what_the_bus_counts(client, mailbox):
    samples = doectl_json("metrics")
    name = mailbox_name(mailbox)

    def total(metric, **labels):
        wanted = {"mailbox": name, **labels}
        return sum(s["value"] for s in samples
                   if s["name"] == metric and wanted.items() <= s["labels"].items())

    pairs = (("doed_exchanges_total", "Exchanges"), ("doed_exchange_device_seconds_count", "Exchanges"),
             ("doed_sent_bytes_total", "BytesSent"), ("doed_received_bytes_total", "BytesReceived"),
             ("doed_cache_hits_total", "CacheHits"))
    return total("doed_mailbox_state", state="ready") == 1 and all(
        total(metric) == client.get(mailbox, "Mailbox1", key) for metric, key in pairs)


def survives_more_connections_than_descriptors():
    """It waits for one to end, and neither spins nor says so for each."""
    address = free_address()
    metrics = f"http://{address}/metrics"
    with tempfile.TemporaryFile() as errors:
        with running(metrics, "doectl", "metrics", "--serve", "--listen", address, stderr=errors,
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))) as server:
            host, port = address.split(":")
            idle = [socket.create_connection((host, int(port))) for _ in range(40)]
            wait_until("it has no descriptors left", lambda: len(os.listdir(f"/proc/{server.pid}/fd")) == 24)
            for connection in idle:
                connection.close()
            wait_until("it serves again", lambda: "doed_build_info" in scraped(metrics))
        assert os.fstat(errors.fileno()).st_size < 1000


def scrape_without_doed_says_why(metrics):
    with held("doed"):
        kill("doed")
        try:
            get(metrics)
        except urllib.error.HTTPError as e:
            text = e.read().decode()
            assert e.code == 503 and "doed" in text, (e.code, text)
        else:
            raise AssertionError("a scrape succeeded without doed")
    wait_until("doed is scraped again", lambda: "doed_build_info" in scraped(metrics))


def scraped(metrics):
    try:
        return get(metrics)[1]
    except urllib.error.HTTPError:
        return ""


def main():
    if not shutil.which("prometheus"):
        print("skipped: no Prometheus is installed")
        sys.exit(SKIPPED)
    client = Client()
    mailbox = client.find(ECHO)[0]
    for i in range(5):
        client.exchange(mailbox, ECHO, bytes([i] * 8))
    is_clean_for_promtool()
    wait_until("the metrics, which may be a second old, are those of the bus",
               lambda: counts_what_the_bus_counts(client, mailbox))

    target, server, folder = free_address(), free_address(), os.environ["DOED_RUN"]
    metrics = f"http://{target}/metrics"
    config = os.path.join(folder, "prometheus.yml")
    with open(config, "w") as f:
        f.write(CONFIG.format(target=target))
    with running(metrics, "doectl", "metrics", "--serve", "--listen", target):
        headers, _text = get(metrics)
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
        with running(f"http://{server}/-/ready", "prometheus", f"--config.file={config}",
                     f"--web.listen-address={server}", f"--storage.tsdb.path={folder}/prometheus", "--log.level=warn"):
            name = mailbox_name(mailbox)
            wait_until("Prometheus has scraped", lambda: exchanges_counted(server, name) == [5], timeout_sec=60)
            client.exchange(mailbox, ECHO, b"once")
            wait_until("Prometheus has scraped again", lambda: exchanges_counted(server, name) == [6], timeout_sec=60)
            quantile = query(server, "histogram_quantile(0.5, sum by (le) (doed_exchange_device_seconds_bucket))")
            assert len(quantile) == 1 and 0 < quantile[0][1] < 30, quantile
        scrape_without_doed_says_why(metrics)
    survives_more_connections_than_descriptors()


if __name__ == "__main__":
    main()
