"""MS-CHAPv2 (RFC 2759) and its keys (RFC 3079, RFC 2548), written from the RFCs for tests.

Nothing of the program under test is used, so that both can only agree by being right.
"""
import hashlib
import struct

INITIAL = [(58, 60, 62, 64, 57, 59, 61, 63)[i // 8] - 8 * (i % 8) for i in range(64)]
FINAL = [INITIAL.index(i + 1) + 1 for i in range(64)]
EXPANSION = [(4 * (i // 6) + i % 6 - 1) % 32 + 1 for i in range(48)]
PERMUTATION = [16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
               2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25]
CHOICE_1 = [57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18,
            10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
            63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22,
            14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4]
CHOICE_2 = [14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10,
            23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
            41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48,
            44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32]
ROTATIONS = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1]
# FIPS 46-3, S1 to S8: four rows of sixteen hexadecimal digits each.
BOXES = [[int(digit, 16) for digit in box] for box in (
    "e4d12fb83a6c5907" "0f74e2d1a6cb9538" "41e8d62bfc973a50" "fc8249175b3ea06d",
    "f18e6b34972dc05a" "3d47f28ec01a69b5" "0e7ba4d158c6932f" "d8a13f42b67c05e9",
    "a09e63f51dc7b428" "d709346a285ecbf1" "d6498f30b12c5ae7" "1ad069874fe3b52c",
    "7de3069a1285bc4f" "d8b56f03472c1ae9" "a690cb7df13e5284" "3f06a1d8945bc72e",
    "2c417ab6853fd0e9" "eb2c47d150fa3986" "421bad78f9c5630e" "b8c71e2d6f09a453",
    "c1af92680d34e75b" "af427c9561de0b38" "9ef528c3704a1db6" "432c95fabe17608d",
    "4b2ef08d3c975a61" "d0b7491ae35c2f86" "14bdc37eaf680592" "6bd814a7950fe23c",
    "d2846fb1a93e50c7" "1fd8a374c56b0e92" "7b419ce206adf358" "21e74a8dfc90356b")]


def bits_of(octets):
    return [octet >> (7 - i) & 1 for octet in octets for i in range(8)]


def octets_of(bits):
    return bytes(int("".join(map(str, bits[i:i + 8])), 2) for i in range(0, len(bits), 8))


def pick(bits, table):
    return [bits[i - 1] for i in table]


def des(key, block):
    """One block of DES; the parity bits of the key are not looked at."""
    state = pick(bits_of(key), CHOICE_1)
    left_key, right_key = state[:28], state[28:]
    bits = pick(bits_of(block), INITIAL)
    left, right = bits[:32], bits[32:]
    for rotation in ROTATIONS:
        left_key = left_key[rotation:] + left_key[:rotation]
        right_key = right_key[rotation:] + right_key[:rotation]
        round_key = pick(left_key + right_key, CHOICE_2)
        mixed = [a ^ b for a, b in zip(pick(right, EXPANSION), round_key)]
        out = []
        for i, box in enumerate(BOXES):
            six = mixed[6 * i:6 * i + 6]
            row = six[0] << 1 | six[5]
            column = six[1] << 3 | six[2] << 2 | six[3] << 1 | six[4]
            out += [box[16 * row + column] >> (3 - j) & 1 for j in range(4)]
        left, right = right, [a ^ b for a, b in zip(left, pick(out, PERMUTATION))]
    return octets_of(pick(right + left, FINAL))


def widen(key):
    """Seven octets of key as the eight that DES takes."""
    number = int.from_bytes(key, "big")
    return bytes((number >> (49 - 7 * i) & 0x7f) << 1 for i in range(8))


def md4(message):
    """RFC 1320."""
    mask = 0xffffffff

    def rotate(value, count):
        return (value << count | value >> (32 - count)) & mask

    length = struct.pack("<Q", 8 * len(message))
    message += b"\x80" + b"\0" * ((55 - len(message)) % 64) + length
    state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
    rounds = (
        (lambda x, y, z: x & y | ~x & z, 0, range(16), (3, 7, 11, 19)),
        (lambda x, y, z: x & y | x & z | y & z, 0x5a827999,
         [4 * (i % 4) + i // 4 for i in range(16)], (3, 5, 9, 13)),
        (lambda x, y, z: x ^ y ^ z, 0x6ed9eba1,
         [int(f"{i:04b}"[::-1], 2) for i in range(16)], (3, 9, 11, 15)))
    for start in range(0, len(message), 64):
        words = struct.unpack("<16I", message[start:start + 64])
        a, b, c, d = state
        for function, constant, order, shifts in rounds:
            for step, index in enumerate(order):
                total = (a + function(b, c, d) + words[index] + constant) & mask
                a, b, c, d = d, rotate(total, shifts[step % 4]), b, c
        state = [(old + new) & mask for old, new in zip(state, (a, b, c, d))]
    return struct.pack("<4I", *state)


def nt_hash(password):
    return md4(password.encode("utf-16-le"))


def challenge_hash(peer_challenge, challenge, user):
    return hashlib.sha1(peer_challenge + challenge + user.encode()).digest()[:8]


def nt_response(challenge, peer_challenge, user, password):
    """RFC 2759 section 8.1."""
    block = challenge_hash(peer_challenge, challenge, user)
    key = nt_hash(password) + b"\0" * 5
    return b"".join(des(widen(key[i:i + 7]), block) for i in (0, 7, 14))


def authenticator_response(challenge, peer_challenge, user, password, response):
    """RFC 2759 section 8.7."""
    hash_hash = md4(nt_hash(password))
    digest = hashlib.sha1(
        hash_hash + response + b"Magic server to client signing constant").digest()
    block = challenge_hash(peer_challenge, challenge, user)
    digest = hashlib.sha1(
        digest + block + b"Pad to make it do more than one iteration").digest()
    return "S=" + digest.hex().upper()


def server_keys(password, response):
    """RFC 3079 section 3.4: the send and the receive key of the server, of 128 bits."""
    master = hashlib.sha1(
        md4(nt_hash(password)) + response + b"This is the MPPE Master Key").digest()[:16]
    sends = (b"On the client side, this is the receive key; "
             b"on the server side, it is the send key.")
    receives = (b"On the client side, this is the send key; "
                b"on the server side, it is the receive key.")
    return [hashlib.sha1(master + b"\0" * 40 + magic + b"\xf2" * 40).digest()[:16]
            for magic in (sends, receives)]


def decrypt_key(value, secret, authenticator):
    """RFC 2548 section 2.4.2: the key in MS-MPPE-Send-Key and MS-MPPE-Recv-Key."""
    salt, cipher = value[:2], value[2:]
    assert salt[0] & 0x80 and len(cipher) % 16 == 0, value
    plain, before = b"", authenticator + salt
    for i in range(0, len(cipher), 16):
        pad = hashlib.md5(secret + before).digest()
        before = cipher[i:i + 16]
        plain += bytes(a ^ b for a, b in zip(pad, before))
    assert not any(plain[1 + plain[0]:]), "the padding is not zero"
    return plain[1:1 + plain[0]]
