#!/usr/bin/env python3
"""Checks a Mooring proof of interoperability, written from docs/poi.md alone. Python 3.8 or later, standard library only.

    verify.py PROOF.json --rpc URL [--contract ADDRESS] [--confirmations N]
    verify.py --vectors VECTORS.json

Exit status: 0 it holds, 1 it does not (the reason is printed), 2 the question is wrong, 3 the chain does not answer.
"""
import argparse
import base64
import datetime
import hashlib
import json
import re
import sys
import urllib.request

ARITY = 16


class Refused(Exception):
    """The proof does not hold; the message names what differs."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# --- JSON with the exact text of numbers -------------------------------------------------------------------------------


class Number:
    """A number as it was written."""

    def __init__(self, text):
        self.text = text


def read_json(text):
    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise Refused("the document has a member twice")
        return dict(pairs)

    def constant(text):
        raise Refused("%s is not JSON" % text)

    try:
        return json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=constant, object_pairs_hook=members
        )
    except ValueError as error:
        raise Refused("the document is not JSON: %s" % error)


def whole(text):
    """The same text; half of a surrogate pair is an error, as in RFC 8785."""
    if re.search("[\ud800-\udfff]", text):
        raise Refused("a string holds half of a surrogate pair")
    return text


def string_text(value):
    return json.dumps(whole(value), ensure_ascii=False)


# --- Elements and their tree ------------------------------------------------------------------------------------------


def step(name):
    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        return name
    return "`" + re.sub(r"([\\`])", r"\\\1", name) + "`"


def utf16_order(name):
    return whole(name).encode("utf-16-be")


def elements_of(resource):
    found = []

    def visit(value, path):
        if isinstance(value, str):
            found.append((path, string_text(value)))
        elif value is True or value is False:
            found.append((path, "true" if value else "false"))
        elif value is None:
            found.append((path, "null"))
        elif isinstance(value, Number):
            found.append((path, value.text))
        elif isinstance(value, list):
            if not value:
                found.append((path, "[]"))
            for index, item in enumerate(value):
                visit(item, "%s[%d]" % (path, index))
        else:
            if not value:
                found.append((path, "{}"))
            for name in sorted(value, key=utf16_order):
                visit(value[name], path + "." + step(name))

    visit(resource, step(resource["resourceType"]))
    return found


def keystream(leaf_salt, size):
    return hashlib.shake_128(b"mooring/leaf/1" + leaf_salt).digest(size)


def url_salt_of(leaf_salt):
    return keystream(leaf_salt, 16)


def element_hash(path, text, salt):
    path_bytes = path.encode()
    return sha256(b"\x10", salt, len(path_bytes).to_bytes(4, "big"), path_bytes, text.encode())


def slots_for(items):
    return ARITY * -(-items // ARITY)


def commitment_of_resource(resource, leaf_salt):
    elements = elements_of(resource)
    size, items = 16 * (1 + len(elements)), len(elements)
    while True:
        slots = slots_for(items)
        size += 4 * (slots - 1) + 32 * (slots - items)
        if items <= ARITY:
            break
        items = slots // ARITY
    stream = keystream(leaf_salt, size)
    hashes = [
        element_hash(path, text, stream[16 * (1 + index) : 16 * (2 + index)])
        for index, (path, text) in enumerate(elements)
    ]
    offset = 16 * (1 + len(elements))
    while True:
        slots = slots_for(len(hashes))
        places = list(range(slots))
        for index in range(slots - 1, 0, -1):
            word = int.from_bytes(stream[offset : offset + 4], "big")
            offset += 4
            other = word * (index + 1) >> 32
            places[index], places[other] = places[other], places[index]
        row = [b""] * slots
        for index in range(slots):
            if index < len(hashes):
                row[places[index]] = hashes[index]
            else:
                row[places[index]] = stream[offset : offset + 32]
                offset += 32
        hashes = [sha256(b"\x11", *row[at : at + ARITY]) for at in range(0, slots, ARITY)]
        if len(hashes) == 1:
            return hashes[0]


def commitment_of_disclosure(elements, hidden):
    """elements: (path, text, salt, place); hidden: (place, hash)."""
    nodes = {}

    def put(place, value):
        if not re.fullmatch("[0-9a-f]*", place) or place in nodes:
            raise Refused('the disclosure is no tree: place "%s"' % place)
        nodes[place] = value

    for place, value in hidden:
        put(place, value)
    if len({len(place) for _, _, _, place in elements}) > 1 or any(place == "" for _, _, _, place in elements):
        raise Refused("the disclosure is no tree: elements stand at different levels")
    for path, text, salt, place in elements:
        put(place, element_hash(path, text, salt))
    for depth in range(max([len(place) for place in nodes] or [0]), 0, -1):
        for parent in {place[:-1] for place in nodes if len(place) == depth}:
            children = [parent + "%x" % digit for digit in range(ARITY)]
            missing = [child for child in children if child not in nodes]
            if missing:
                raise Refused('the disclosure is no tree: nothing at place "%s"' % missing[0])
            node = sha256(b"\x11", *[nodes.pop(child) for child in children])
            put(parent, node)
    if list(nodes) != [""]:
        raise Refused("the disclosure is no tree: it is empty")
    return nodes[""]


# --- Leaf and log -----------------------------------------------------------------------------------------------------


def cid_digest(cid):
    match = re.fullmatch("b([a-z2-7]{58})", cid)
    data = base64.b32decode(match.group(1).upper() + "======") if match else b""
    if data[:4] != b"\x01\x55\x12\x20" or len(data) != 36 or cid_of(data[4:]) != cid:
        raise Refused("proof.leaf.cid is no CIDv1 of a raw block (base32)")
    return data[4:]


def cid_of(digest):
    return "b" + base64.b32encode(b"\x01\x55\x12\x20" + digest).decode().lower().rstrip("=")


def version_leaf(profile_set, level, commitment, block, url_hash, receipt):
    entry = b"\x01" + profile_set + bytes([level]) + commitment + b"\x12\x20" + block + url_hash + receipt
    return sha256(b"\x00", entry)


def deletion_leaf(url_hash, last_updated_ms):
    return sha256(b"\x00", b"\x02" + url_hash + last_updated_ms.to_bytes(8, "big"))


def tombstone_leaf(leaves, time_ms):
    places = b"".join(leaf.to_bytes(8, "big") for leaf in leaves)
    return sha256(b"\x00", b"\x03" + time_ms.to_bytes(8, "big") + sha256(places))


def access_leaf(time_ms, server, count, digest):
    entry = b"\x04" + time_ms.to_bytes(8, "big") + sha256(server.encode()) + count.to_bytes(8, "big") + digest
    return sha256(b"\x00", entry)


def challenged_leaves(seed, size, count):
    """The leaves that a possession challenge asks for."""
    return [int.from_bytes(sha256(seed, i.to_bytes(4, "big"))[:6], "big") % size for i in range(count)]


def is_consistent(old_size, old_root, new_size, new_root, path):
    """RFC 9162, section 2.1.4.2: the tree of new_size leaves extends that of old_size."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    nodes = ([old_root] if old_size & (old_size - 1) == 0 else []) + path
    if not nodes:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_seen = new_seen = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_seen, new_seen = sha256(b"\x01", node, old_seen), sha256(b"\x01", node, new_seen)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_seen = sha256(b"\x01", new_seen, node)
        position, last = position >> 1, last >> 1
    return last == 0 and old_seen == old_root and new_seen == new_root


def root_from_inclusion(leaf, index, size, path):
    """RFC 9162, section 2.1.3.2; None when the path has the wrong length."""
    if index >= size:
        return None
    position, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = sha256(b"\x01", sibling, root)
            while not position & 1 and position != 0:
                position, last = position >> 1, last >> 1
        else:
            root = sha256(b"\x01", root, sibling)
        position, last = position >> 1, last >> 1
    return root if last == 0 else None


# --- Keccak-256 and secp256k1, for the attestations --------------------------------------------------------------------

ROUND_CONSTANTS = []
ROTATIONS = {}


def _prepare_keccak():
    register = 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if register & 1:
                constant ^= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        ROUND_CONSTANTS.append(constant)
    x, y = 1, 0
    ROTATIONS[(0, 0)] = 0
    for turn in range(24):
        ROTATIONS[(x, y)] = (turn + 1) * (turn + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5


_prepare_keccak()
MASK = (1 << 64) - 1


def rotate(word, bits):
    return ((word << bits) | (word >> (64 - bits))) & MASK if bits else word


def keccak256(data):
    rate = 136
    padding = rate - len(data) % rate
    data += b"\x81" if padding == 1 else b"\x01" + b"\x00" * (padding - 2) + b"\x80"
    state = [[0] * 5 for _ in range(5)]
    for block in range(0, len(data), rate):
        for lane in range(rate // 8):
            at = block + 8 * lane
            state[lane % 5][lane // 5] ^= int.from_bytes(data[at : at + 8], "little")
        for constant in ROUND_CONSTANTS:
            parity = [state[x][0] ^ state[x][1] ^ state[x][2] ^ state[x][3] ^ state[x][4] for x in range(5)]
            for x in range(5):
                change = parity[(x - 1) % 5] ^ rotate(parity[(x + 1) % 5], 1)
                for y in range(5):
                    state[x][y] ^= change
            moved = [[0] * 5 for _ in range(5)]
            for x in range(5):
                for y in range(5):
                    moved[y][(2 * x + 3 * y) % 5] = rotate(state[x][y], ROTATIONS[(x, y)])
            for x in range(5):
                for y in range(5):
                    state[x][y] = moved[x][y] ^ (~moved[(x + 1) % 5][y] & moved[(x + 2) % 5][y] & MASK)
            state[0][0] ^= constant
    return b"".join(state[lane % 5][lane // 5].to_bytes(8, "little") for lane in range(4))


FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def inverse(value, modulus):
    return pow(value, modulus - 2, modulus)


def point_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % FIELD == 0:
            return None
        slope = 3 * a[0] * a[0] * inverse(2 * a[1], FIELD) % FIELD
    else:
        slope = (b[1] - a[1]) * inverse((b[0] - a[0]) % FIELD, FIELD) % FIELD
    x = (slope * slope - a[0] - b[0]) % FIELD
    return x, (slope * (a[0] - x) - a[1]) % FIELD


def point_times(point, factor):
    total = None
    while factor:
        if factor & 1:
            total = point_add(total, point)
        point, factor = point_add(point, point), factor >> 1
    return total


def recover(digest, r_bytes, vs_bytes):
    """Address that signed (EIP-2098 compact signature); None when it is no signature."""
    r, vs = int.from_bytes(r_bytes, "big"), int.from_bytes(vs_bytes, "big")
    parity, s = vs >> 255, vs & ((1 << 255) - 1)
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return None
    square = (r * r * r + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square:
        return None
    if y & 1 != parity:
        y = FIELD - y
    invert = inverse(r, ORDER)
    first = point_times((r, y), s * invert % ORDER)
    second = point_times(BASE, -int.from_bytes(digest, "big") * invert % ORDER)
    key = point_add(first, second)
    if key is None:
        return None
    return "0x" + keccak256(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:].hex()


HEAD_MEMBERS = [
    ("root", "bytes32"), ("size", "uint64"), ("prevRoot", "bytes32"), ("prevSize", "uint64"),
    ("profileSet", "bytes32"), ("receiptsRoot", "bytes32"), ("leastLevel", "uint8"), ("epoch", "uint32"),
]  # fmt: skip
HEAD_TYPE = keccak256(("Head(%s)" % ",".join("%s %s" % (kind, name) for name, kind in HEAD_MEMBERS)).encode())
DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
HEAD_ANCHORED = keccak256(b"HeadAnchored(uint64,uint64,bytes32,uint64,bytes32,bytes32,bytes32,uint8,uint32)")
ANCHOR = keccak256(
    ("anchor((%s),(bytes32,bytes32)[])" % ",".join(kind for _, kind in HEAD_MEMBERS)).encode()
)[:4]


def word(value):
    return value if isinstance(value, bytes) else value.to_bytes(32, "big")


def head_words(head):
    return b"".join(word(head[name]) for name, _ in HEAD_MEMBERS)


def head_digest(chain_id, contract, head):
    domain = keccak256(
        DOMAIN_TYPE + keccak256(b"AnchorLog") + keccak256(b"1") + word(chain_id) + contract.rjust(32, b"\x00")
    )
    return keccak256(b"\x19\x01" + domain + keccak256(HEAD_TYPE + head_words(head)))


def anchor_calldata(head, attestations):
    ordered = sorted(attestations, key=lambda each: each["validator"])
    signatures = b"".join(each["r"] + each["vs"] for each in ordered)
    return ANCHOR + head_words(head) + word(9 * 32) + word(len(ordered)) + signatures


# --- The proof document -----------------------------------------------------------------------------------------------


class Parts:
    def __init__(self, parts, where="proof"):
        self.parts, self.where = parts, where

    def all(self, name):
        return [part for part in self.parts if part.get("name") == name]

    def one(self, name):
        found = self.all(name)
        if len(found) != 1:
            raise Refused("%s.%s is %s" % (self.where, name, "missing" if not found else "there more than once"))
        return found[0]

    def text(self, name):
        part = self.one(name)
        for kind in ("valueString", "valueUri", "valueCode"):
            if isinstance(part.get(kind), str):
                return part[kind]
        raise Refused("%s.%s is no text" % (self.where, name))

    def number(self, name):
        value = self.one(name).get("valueDecimal")
        if not isinstance(value, Number) or not re.fullmatch("0|[1-9][0-9]*", value.text):
            raise Refused("%s.%s is no whole number" % (self.where, name))
        return int(value.text)

    def hex(self, name, size, text=None):
        text = self.text(name) if text is None else text
        if not re.fullmatch("0x[0-9a-f]{%d}" % (2 * size), text):
            raise Refused("%s.%s is not 0x and %d lower-case hexadecimal digits" % (self.where, name, 2 * size))
        return bytes.fromhex(text[2:])

    def group(self, name):
        return self.groups_of([self.one(name)])[0]

    def groups(self, name):
        return self.groups_of(self.all(name))

    def groups_of(self, parts):
        return [Parts(part.get("part", []), "%s.%s" % (self.where, part["name"])) for part in parts]


def check_content(top, leaf, url, url_salt, url_hash):
    if sha256(url_salt, url.encode()) != url_hash:
        raise Refused("the leaf was made for another URL than %s" % url)
    shown, disclosures = top.all("resource"), top.groups("disclosure")
    if not shown and not disclosures:
        return
    if leaf.text("kind") != "version" or (shown and disclosures):
        raise Refused("the proof shows content that does not belong there")
    commitment = leaf.hex("commitment", 32)
    if shown:
        salt, resource = top.hex("salt", 16), shown[0]["resource"]
        if url_salt_of(salt) != url_salt:
            raise Refused("the salt is not the one of the leaf")
        if commitment_of_resource(resource, salt) != commitment:
            raise Refused("the resource is not the one that was committed: its content was changed")
        version = resource.get("meta", {}).get("versionId")
        if not url.endswith("/%s/%s/_history/%s" % (resource["resourceType"], resource.get("id"), version)):
            raise Refused("the resource is another one than the URL says")
        return
    elements = [
        (each.text("path"), each.text("json"), each.hex("salt", 16), each.text("place"))
        for each in disclosures[0].groups("element")
    ]
    hidden = []
    for part in disclosures[0].all("hidden"):
        match = re.fullmatch("([0-9a-f]*):([0-9a-f]{64})", str(part.get("valueString")))
        if not match:
            raise Refused("proof.disclosure.hidden is not place:hash")
        hidden.append((match.group(1), bytes.fromhex(match.group(2))))
    if commitment_of_disclosure(elements, hidden) != commitment:
        raise Refused("the disclosed elements lead to another commitment than the leaf's")


def leaf_of(leaf):
    url_hash = leaf.hex("urlHash", 32)
    if leaf.text("kind") == "deletion":
        text = str(leaf.one("lastUpdated").get("valueInstant"))
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text):
            raise Refused("proof.leaf.lastUpdated is no instant in UTC with milliseconds")
        moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
        return url_hash, deletion_leaf(
            url_hash, (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
        )
    if leaf.text("kind") != "version" or leaf.number("level") > 3:
        raise Refused("proof.leaf is neither a version with a level of 0 to 3 nor a deletion")
    return url_hash, version_leaf(
        leaf.hex("profileSet", 32),
        leaf.number("level"),
        leaf.hex("commitment", 32),
        cid_digest(leaf.text("cid")),
        url_hash,
        leaf.hex("receipt", 32),
    )


def head_of(group):
    return {
        name: group.hex(name, 32) if kind == "bytes32" else group.number(name) for name, kind in HEAD_MEMBERS
    }


def check_inclusion(leaf, leaf_hash, anchor, head):
    index = leaf.number("index")
    path = [anchor.hex("inclusion", 32, str(part.get("valueString"))) for part in anchor.all("inclusion")]
    root = root_from_inclusion(leaf_hash, index, head["size"], path)
    if root is None:
        raise Refused("the inclusion path does not fit leaf %d of %d" % (index, head["size"]))
    if root != head["root"]:
        raise Refused("the inclusion path leads to the root 0x%s, the anchored one is 0x%s" % (root.hex(), head["root"].hex()))
    receipts = [anchor.hex("receipts", 32, str(part.get("valueString"))) for part in anchor.all("receipts")]
    if index < head["prevSize"]:
        if receipts:
            raise Refused("another batch took the leaf in than the one of the receipts")
        return
    is_version = leaf.text("kind") == "version"
    place, count = index - head["prevSize"], head["size"] - head["prevSize"]

    def leads_from(entry):
        return root_from_inclusion(sha256(b"\0", entry), place, count, receipts) == head["receiptsRoot"]

    if not leads_from(leaf.hex("receipt", 32) if is_version else bytes(32)):
        if leads_from(b"\xff" * 32):
            raise Refused("the leaf is in the log, but the validators refused to attest it, or it was erased before")
        raise Refused("the receipt's path does not lead to the attested receiptsRoot")
    if is_version:
        if leaf.hex("profileSet", 32) != head["profileSet"]:
            raise Refused("the leaf and the attested batch name different ProfileSets")
        if leaf.number("level") < head["leastLevel"]:
            raise Refused("the leaf has a lower level than the batch attests")


def check_anchor(anchor, head, rpc, trusted, wanted):
    contract, transaction = anchor.hex("contract", 20), anchor.hex("transaction", 32)
    if trusted and contract.hex() != trusted[2:].lower():
        raise Refused("the proof names the contract 0x%s, the trusted one is %s" % (contract.hex(), trusted))
    receipt = rpc("eth_getTransactionReceipt", ["0x" + transaction.hex()])
    if not receipt or not receipt.get("blockNumber"):
        raise Refused("the chain has no transaction 0x%s" % transaction.hex())
    if int(receipt["status"], 16) != 1:
        raise Refused("the transaction failed")
    batch = anchor.number("batch")
    expected_topics = ["0x" + each.hex() for each in (HEAD_ANCHORED, word(batch), word(head["size"]))]
    order = ["root", "prevSize", "prevRoot", "profileSet", "receiptsRoot", "leastLevel", "epoch"]
    expected_data = "0x" + b"".join(word(head[name]) for name in order).hex()
    logs = [log for log in receipt["logs"] if log["address"].lower() == "0x" + contract.hex()]
    heads = [log for log in logs if log["topics"][0] == expected_topics[0]]
    if not heads:
        raise Refused("the transaction anchored nothing at contract 0x%s" % contract.hex())
    if not any(log["topics"] == expected_topics and log["data"] == expected_data for log in heads):
        raise Refused("the contract anchored another head than the proof says")
    block_number, block_hash = anchor.number("blockNumber"), "0x" + anchor.hex("blockHash", 32).hex()
    if int(receipt["blockNumber"], 16) != block_number or receipt["blockHash"] != block_hash:
        raise Refused("the transaction is in another block than the proof says")
    attestations = [
        {"validator": each.hex("validator", 20), "r": each.hex("r", 32), "vs": each.hex("vs", 32)}
        for each in anchor.groups("attestation")
    ]
    digest = head_digest(anchor.number("chainId"), contract, head)
    for each in attestations:
        if recover(digest, each["r"], each["vs"]) != "0x" + each["validator"].hex():
            raise Refused("the attestation of 0x%s is not its signature" % each["validator"].hex())
    sent = rpc("eth_getTransactionByHash", ["0x" + transaction.hex()])
    if sent and (sent.get("to") or "").lower() == "0x" + contract.hex():
        if sent["input"] != "0x" + anchor_calldata(head, attestations).hex():
            raise Refused("the attestations are not those of the transaction")
    block = rpc("eth_getBlockByNumber", [receipt["blockNumber"], False])
    if not block or block["hash"] != block_hash:
        raise Refused("the block is not part of the chain")
    confirmations = int(rpc("eth_blockNumber", []), 16) - block_number + 1
    if confirmations < wanted:
        raise Refused("the anchor has %d confirmations, %d are wanted" % (confirmations, wanted))
    moment = datetime.datetime.fromtimestamp(int(block["timestamp"], 16), datetime.timezone.utc)
    return "block %d, %s, %d confirmations" % (block_number, moment.isoformat(), confirmations)


def verify(document, rpc, trusted=None, wanted=1):
    if document.get("resourceType") != "Parameters" or not isinstance(document.get("parameter"), list):
        raise Refused("the document is no FHIR Parameters resource")
    top = Parts(document["parameter"])
    if top.text("format") != "mooring-proof-1":
        raise Refused("the proof has another form than mooring-proof-1")
    leaf, url = top.group("leaf"), top.text("url")
    url_hash, leaf_hash = leaf_of(leaf)
    check_content(top, leaf, url, leaf.hex("urlSalt", 16), url_hash)
    if leaf_hash != leaf.hex("hash", 32):
        raise Refused("the parts of the leaf hash to 0x%s" % leaf_hash.hex())
    chain_id = int(rpc("eth_chainId", []), 16)
    anchors = [each for each in top.groups("anchor") if each.number("chainId") == chain_id]
    if not anchors:
        raise Refused("the endpoint serves chain %d, on which the proof is not anchored" % chain_id)
    heads = [head_of(anchor.group("head")) for anchor in anchors]
    for anchor, head in zip(anchors, heads):
        check_inclusion(leaf, leaf_hash, anchor, head)
    refusal = None
    for anchor, head in zip(anchors, heads):
        try:
            return check_anchor(anchor, head, rpc, trusted, wanted)
        except Refused as error:
            refusal = refusal or error
    raise refusal


def endpoint(url):
    def call(method, params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.loads(response.read())
        if "error" in answer:
            raise OSError("%s: %s" % (method, answer["error"].get("message")))
        return answer.get("result")

    return call


# --- Test vectors -----------------------------------------------------------------------------------------------------


def check_vectors(document):
    """Recomputes every published value; names the first that differs."""

    def same(name, found, expected):
        if found != expected:
            raise Refused("%s: found %s, published %s" % (name, found, expected))

    for case in document["versions"]:
        name, salt = case["name"], bytes.fromhex(case["leafSalt"])
        resource = read_json(case["resource"])
        same(name + " elements", ["%s = %s" % each for each in elements_of(resource)], case["elements"])
        commitment = commitment_of_resource(resource, salt)
        same(name + " commitment", commitment.hex(), case["commitment"])
        url_hash = sha256(url_salt_of(salt), case["url"].encode())
        same(name + " urlHash", url_hash.hex(), case["urlHash"])
        block = bytes.fromhex(case["block"])
        same(name + " cid", cid_of(block), case["cid"])
        leaf = version_leaf(
            bytes.fromhex(case["profileSet"]), int(case["level"].text), commitment, block, url_hash,
            bytes.fromhex(case["receipt"]),
        )  # fmt: skip
        same(name + " leaf", leaf.hex(), case["leaf"])
    for case in document["deletions"]:
        url_hash = sha256(url_salt_of(bytes.fromhex(case["leafSalt"])), case["url"].encode())
        leaf = deletion_leaf(url_hash, int(case["lastUpdated"].text))
        same(case["name"] + " leaf", leaf.hex(), case["leaf"])
    for case in document["tombstones"]:
        leaf = tombstone_leaf([int(each.text) for each in case["leaves"]], int(case["time"].text))
        same(case["name"] + " leaf", leaf.hex(), case["leaf"])
    for case in document["accessHeads"]:
        digest = bytes.fromhex(case["digest"])
        leaf = access_leaf(int(case["time"].text), case["server"], int(case["count"].text), digest)
        same(case["name"] + " leaf", leaf.hex(), case["leaf"])
    for case in document["challenges"]:
        leaves = challenged_leaves(bytes.fromhex(case["seed"]), int(case["size"].text), len(case["leaves"]))
        same(case["name"], leaves, [int(each.text) for each in case["leaves"]])
    for case in document["consistencies"]:
        sizes, roots = [int(case[name].text) for name in ("oldSize", "newSize")], (case["oldRoot"], case["newRoot"])
        path = [bytes.fromhex(each) for each in case["path"]]
        old, new = (bytes.fromhex(each) for each in roots)
        same(case["name"], is_consistent(sizes[0], old, sizes[1], new, path), case["isConsistent"])
    for case in document["disclosures"]:
        elements = [(e["path"], e["json"], bytes.fromhex(e["salt"]), e["place"]) for e in case["elements"]]
        hidden = [(h.split(":")[0], bytes.fromhex(h.split(":")[1])) for h in case["hidden"]]
        same(case["name"], commitment_of_disclosure(elements, hidden).hex(), case["commitment"])
    for case in document["inclusions"]:
        path = [bytes.fromhex(each) for each in case["path"]]
        root = root_from_inclusion(bytes.fromhex(case["leaf"]), int(case["index"].text), int(case["size"].text), path)
        same(case["name"], root and root.hex(), case["root"])
    for case in document["attestations"]:
        head = {
            name: bytes.fromhex(case["head"][name]) if kind == "bytes32" else int(case["head"][name].text)
            for name, kind in HEAD_MEMBERS
        }
        digest = head_digest(int(case["chainId"].text), bytes.fromhex(case["contract"]), head)
        same(case["name"] + " digest", digest.hex(), case["digest"])
        signer = recover(digest, bytes.fromhex(case["r"]), bytes.fromhex(case["vs"]))
        same(case["name"] + " signer", signer, "0x" + case["signer"])
    return sum(len(cases) for cases in document.values() if isinstance(cases, list))


def read_text(name):
    if name == "-":
        return sys.stdin.buffer.read().decode("utf-8")
    with open(name, encoding="utf-8") as file:
        return file.read()


def main():
    parser = argparse.ArgumentParser(description="Checks a proof of interoperability against a chain.")
    parser.add_argument("proof", nargs="?", help="proof document; - reads standard input")
    parser.add_argument("--rpc", help="JSON-RPC endpoint of the chain")
    parser.add_argument("--contract", help="the AnchorLog that you trust")
    parser.add_argument("--confirmations", type=int, default=1)
    parser.add_argument("--vectors", help="check published test vectors instead")
    options = parser.parse_args()
    if bool(options.vectors) == bool(options.proof) or (options.proof and not options.rpc):
        parser.error("either PROOF and --rpc, or --vectors")
    try:
        if options.vectors:
            print("%d vectors agree" % check_vectors(read_json(read_text(options.vectors))))
            return 0
        text = read_text(options.proof)
        where = verify(read_json(text), endpoint(options.rpc), options.contract, options.confirmations)
        print("The proof holds: " + where)
        return 0
    except (Refused, KeyError, AttributeError, TypeError) as error:
        print("The proof does not hold: %s" % error, file=sys.stderr)
        return 1
    except OSError as error:
        print("Could not be asked: %s" % error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
