"""OCR engines in the conditions of the walled child: forked, nearly no environment, other user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from affidavit.engine.ocr.neural import ENVIRONMENT

# A host of its own, because what is promised is about a process that has loaded nothing yet.
HOST = """
import json, os, resource, sys, tempfile
from PIL import Image, ImageDraw, ImageFont
from affidavit.engine.ocr import choose
from affidavit.engine.ocr.warming import warm_up
from affidavit.engine.spec import OcrOptions

def report(ready, name):
    image = Image.new("RGB", (900, 120), "white")
    ImageDraw.Draw(image).text((20, 30), "Total amount 119", font=ImageFont.load_default(48), fill="black")
    words = choose(OcrOptions(engine=name)).read(image, ("eng",))
    return [word.text for word in words]

ready = warm_up()
warm_up()  # twice is harmless
threads = len(os.listdir("/proc/self/task"))
own, uid, limit, name = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
reader, writer = os.pipe()
if os.fork() == 0:
    os.environ.clear()
    os.environ["TMPDIR"] = own
    tempfile.tempdir = None
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if uid:
        os.setgroups([]); os.setgid(uid); os.setuid(uid)
    os.write(writer, json.dumps(report(ready, name)).encode())
    os._exit(0)
os.close(writer)
child = os.read(reader, 65536).decode() or "null"
os.wait()
print(json.dumps({"ready": ready, "threads": threads, "child": json.loads(child),
                  "parent": report(ready, name), "left": os.listdir(own)}))
"""
NOBODY = 65534
GIBIBYTE = 2**30


def run_host(workspace: Path, engine: str, *, uid: int = 0, limit: int = 0) -> dict[str, object]:
    workspace.chmod(0o777)
    ran = subprocess.run(
        [sys.executable, "-c", HOST, str(workspace), str(uid), str(limit), engine],
        env={**ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("engine", ["ppocr", "tesseract"])
def test_warmed_engine_reads_the_same_in_a_forked_child_within_two_gibibytes(
    engine: str, tmp_path: Path
) -> None:
    seen = run_host(tmp_path, engine, limit=2 * GIBIBYTE)
    assert seen["threads"] == 1
    assert seen["child"] == seen["parent"] == ["Total", "amount", "119"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("engine", ["ppocr", "tesseract"])
def test_child_of_another_user_reads_and_leaves_nothing_behind(engine: str, tmp_path: Path) -> None:
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(0o755)  # pytest's own folders are private to its user
    seen = run_host(tmp_path, engine, uid=NOBODY)
    assert seen["child"] == ["Total", "amount", "119"]
    assert seen["left"] == []


SHORT_OF_MEMORY = """
import os, resource, sys
from PIL import Image
from affidavit.engine.ocr.ppocr import PpOcr
reader = PpOcr()
reader.warm_up()
status = open("/proc/self/status").read()
taken = int(status.split("VmSize:")[1].split("kB")[0]) * 1024
limit = taken + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    reader.read(Image.effect_noise((1600, 1600), 90), ("eng",))
except MemoryError:
    sys.exit(0)
sys.exit("it was read, or failed otherwise")
"""


@pytest.mark.parametrize("mebibytes", [60, 150])
def test_want_of_memory_is_told_as_that_wherever_it_occurs(mebibytes: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(mebibytes)],
        env={**ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
