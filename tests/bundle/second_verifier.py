"""A second verifier of bundles, written from docs/bundle-format.md alone. It stops at the first thing that is wrong."""

# fmt: off
import io
import json
import re
import unicodedata
import zipfile
from base64 import b64decode, b64encode
from datetime import datetime
from hashlib import sha256
SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}(/[A-Za-z0-9][\w.-]{0,99})?", re.ASCII)
TEXT, ID, HASH, TIME = r'"(?:[^"\\]|\\.)*"', r'"[\w-]{1,100}"', '"[0-9a-f]{64}"', r'"[\d-]{10}T[\d:]{8}\.\d{6}Z"'
FORM = re.compile(  # of a manifest in canonical form, with empty objects for what is left to people
    rf'{{"artifacts":\[({{"media_type":{TEXT},"name":{TEXT},"sha256":{HASH},"size":\d+}},?)*\],"attempt":\d+,'
    rf'"bundle_id":{ID},"chunks":{{"algorithm":"rfc6962-sha256","artifact":"chunks\.ndjson","count":\d+,"root":{HASH}}},'
    rf'"engine":{{}},"format":"affidavit-bundle/1","job_id":{ID},"log":{{"origin":{TEXT}}},"operation":{ID},"options":{{}},'
    rf'"pages":{{}},"parent":(null|{{"bundle_id":{ID},"manifest_sha256":{HASH},"relation":"(review|rerun)"}}),'
    rf'"source":(null|{{"media_type":{TEXT},"name":(null|{TEXT}),"sha256":{HASH},"size":\d+,"url":(null|{TEXT})}}),'
    rf'"times":{{"sealed_at":{TIME},"submitted_at":{TIME}}}}}', re.ASCII)
LAYOUT = re.compile(r"(source/.+\n)?document\.md\ndocument\.json\nchunks\.ndjson\nextraction\.json\n(reviewed\.json\n)?"
                    r"request\.json\n(files/.+\n)*(pages/([0-9]{4}|[1-9][0-9]{4,})\.webp\n)*")
PROOF = re.compile(r"c2sp\.org/tlog-proof@v1\nindex (0|[1-9]\d{0,18})\n((?:[\w+/]{43}=\n)*)\n(([^\s+]+)\n(0|[1-9]\d{0,18})\n"
                   r"([\w+/]{43}=)\n(?:[^\n]+\n)*)\n((?:\u2014 [^\s+]+ [\w+/=]+\n)+)", re.ASCII)
KIND, BUNDLE = "application/vnd.in-toto+json", "urn:affidavit:bundle:1"
TIMES = {BUNDLE: "sealed_at", "urn:affidavit:tombstone:1": "deleted_at", "urn:affidavit:receipt:1": "issued_at"}
def verify(data, keys, is_stamped=None):
    """Return the verdict and what failed first; `keys` by id, each with when it was retired; `is_stamped(data, token)`."""
    try:
        for step in sealed(data, keys) if data[:1] == b"{" else steps(data, keys, is_stamped): pass
    except Exception:  # hostile files break what reads them in many ways
        return "failed", step
    return "passed" if keys and step != "no authority" else "not_checked", None
def load(data):
    once = lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else 1 / 0
    value = json.loads(data.decode(), object_pairs_hook=once, parse_constant=lambda _: 1 / 0)
    return json.dumps(value, ensure_ascii=False).encode() and value  # half of a surrogate pair has no bytes
def canon(value):
    if type(value) is dict:
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return b"{%b}" % b",".join(canon(key) + b":" + canon(value[key]) for key in keys)
    assert type(value) is not float and (type(value) is not int or abs(value) < 2**53)
    return b"[%b]" % b",".join(map(canon, value)) if type(value) is list else json.dumps(value, ensure_ascii=False).encode()
def numbers(values, count, *types):
    return len(values) == count and all(type(each) in types and abs(each) < 2**53 for each in values)
def root(leaves):
    k = 1 << (len(leaves) - 1).bit_length() - 1 if len(leaves) > 1 else 0
    return sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest() if k else (leaves or [sha256().digest()])[0]
def climb(node, n, size, path):
    k = 1 << (size - 1).bit_length() - 1 if size > 1 else 0
    assert n < size and bool(k) == bool(path)
    if not k: return node
    pair = climb(node, n, k, path[:-1]) + path[-1] if n < k else path[-1] + climb(node, n - k, size - k, path[:-1])
    return sha256(b"\1" + pair).digest()
def cited(value):
    for each in value.values() if type(value) is dict else value if type(value) is list else ():
        if type(each) is dict and each.keys() == {"page", "box", "words", "range", "quote", "match"}: yield each
        yield from cited(each)
def sealed(data, keys, bundle=None):
    yield "statement"
    value = load(data)
    said, (one,) = load(b64decode(value["payload"])), value["signatures"]
    told, kind, digest = said["predicate"], said["predicateType"], said["subject"][0]["digest"]["sha256"]
    if bundle:
        ids, digest = {"bundle_id": bundle["bundle_id"], "job_id": bundle["job_id"]}, sha256(canon(bundle)).hexdigest()
        told = ids | {"sealed_at": bundle["times"]["sealed_at"]}
    about = {"predicate": told, "subject": [{"name": "manifest.json", "digest": {"sha256": digest}}]}
    payload = canon({"_type": "https://in-toto.io/Statement/v1", "predicateType": kind, **about})
    sig, again = b64decode(one["sig"]), {"payload": b64encode(payload).decode(), "payloadType": KIND}
    assert canon(again | {"signatures": [{"keyid": one["keyid"], "sig": b64encode(sig).decode()}]}) == data
    assert TIMES[kind] and type(told) is dict and (kind == BUNDLE) == bool(bundle)
    yield "signature"
    if keys:
        key, retired_at = keys[one["keyid"]]
        key.verify(sig, b"DSSEv1 %d %b %d %b" % (len(KIND), KIND.encode(), len(payload), payload))
        assert not retired_at or datetime.fromisoformat(told[TIMES[kind]]) <= retired_at
def steps(data, keys, is_stamped):
    yield "container"
    files, again = {}, io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(again, "w") as packed:
        for each in given.infolist():
            assert NAME.fullmatch(each.filename) and each.filename.lower() not in map(str.lower, files)
            info = zipfile.ZipInfo(each.filename)  # stored, of 1980: all else follows from names and contents
            info.create_system, files[each.filename] = 0, given.read(each)
            packed.writestr(info, files[each.filename])
            info.external_attr = 0
    assert again.getvalue() == data
    yield "manifest"
    bundle = load(files["manifest.json"])
    artifacts, people = bundle["artifacts"], ("pages", "options", "engine")
    assert canon(bundle) == files["manifest.json"] and all(type(bundle[name]) is dict for name in people)
    assert FORM.fullmatch(canon(bundle | {name: {} for name in people}).decode())
    assert all(datetime.fromisoformat(at) for at in bundle["times"].values())
    pages = [int(each["name"][6:-5]) for each in artifacts if each["name"].startswith("pages/")]
    assert LAYOUT.fullmatch("".join(f"{each['name']}\n" for each in artifacts)) and pages == sorted(set(pages))
    sources = [(each["size"], each["sha256"]) for each in artifacts if each["name"].startswith("source/")]
    assert sources == [(each["size"], each["sha256"]) for each in [bundle["source"]] if each]
    yield "entries"
    proofs = [name for name in ("proofs/log.tlog-proof", "proofs/timestamp.tsr") if name in files]
    assert list(files) == ["manifest.json", "manifest.dsse.json", *(each["name"] for each in artifacts), *proofs]
    for each in artifacts:
        yield each["name"]
        assert (len(files[each["name"]]), sha256(files[each["name"]]).hexdigest()) == (each["size"], each["sha256"])
    yield from sealed(files["manifest.dsse.json"], keys, bundle)
    yield "chunks"
    text, words, last, (*lines, end) = files["document.md"].decode(), {}, 1, files["chunks.ndjson"].split(b"\n")
    for chunk in map(load, lines):
        block, page, span, said, of_it = (chunk.pop(name) for name in ("block", "page", "range", "text", "words"))
        assert not chunk and type(page) is int and page >= last and len({word[0] for word in of_it}) == len(of_it)
        assert type(of_it) is list and (span is said is block is None or type(block) is str and numbers(span, 2, int))
        assert span is None or 0 <= span[0] <= span[1] <= len(text) and text[slice(*span)] == said
        for name, spelled, box in of_it:
            assert type(name) is type(spelled) is str and len(box) == 4 and {*map(type, box)} <= {int, float}
            is_good = name not in words and numbers(box, 4, int, float)  # which matters if it is cited
            words[name], last = (page, spelled, box if is_good else None, span), page
    leaves, told = [sha256(b"\0" + line).digest() for line in lines], bundle["chunks"]
    assert not end and (len(lines), root(leaves).hex()) == (told["count"], told["root"])
    yield "citation"
    review = load(files.get("reviewed.json", b'{"extraction":null}'))["extraction"]
    for prefix, value in (("c", load(files["extraction.json"])), *([] if review is None else [("r", review)])):
        for n, citation in enumerate(cited({k: v for k, v in value.items() if k not in ("data", "data_schema")}), 1):
            yield f"{prefix}{n}"
            page, box, span, quote, ids = (citation[name] for name in ("page", "box", "range", "quote", "words"))
            assert type(page) is int and numbers(box, 4, int, float) and (span is None or numbers(span, 2, int))
            assert type(quote) is str and type(ids) is list and citation["match"] in ("exact", "normalized", "fuzzy")
            if not ids and span is None: continue  # a person pointed at a place
            on, said, boxes, spans = zip(*[words[name] for name in ids], strict=True)
            if None in boxes: yield "chunks"
            assert set(on) == {page} and SPACE.sub("", quote) == SPACE.sub("", "".join(said))
            around = [pick(sides) for pick, sides in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)]
            assert all(abs(ours - theirs) <= 0.011 for ours, theirs in zip(around, box, strict=True))
            if span is not None:
                first, end = min(each[0] for each in spans if each), max(each[1] for each in spans if each)
                parts = [[c for c in part if unicodedata.category(c)[0] in "LN"] for part in (quote, text[slice(*span)])]
                assert first <= span[0] <= span[1] <= end and parts[0] == parts[1]
    yield "log"
    if "proofs/log.tlog-proof" in files:
        n, path, body, origin, size, top, below = PROOF.fullmatch(files["proofs/log.tlog-proof"].decode()).groups()
        leaf = sha256(b"\0" + sha256(files["manifest.json"]).digest()).digest()
        assert climb(leaf, int(n), int(size), [b64decode(each) for each in path.split()]) == b64decode(top)
        ours = {sha256(f"{origin}\n\1".encode() + key.public_bytes_raw()).digest()[:4]: key for key, _ in keys.values()}
        by_us = [b64decode(sig) for _, by, sig in map(str.split, below.splitlines()) if by == origin]
        good = [ours[sig[:4]].verify(sig[4:], body.encode()) for sig in by_us if sig[:4] in ours]
        assert origin == bundle["log"]["origin"] and (good or not keys)
    yield "timestamp"
    if "proofs/timestamp.tsr" in files:
        stamped = (files["manifest.dsse.json"], files["proofs/timestamp.tsr"])
        assert sha256(stamped[0]).digest() in stamped[1] and (is_stamped is None or is_stamped(*stamped))
        yield "no authority" if is_stamped is None else "timestamp"
