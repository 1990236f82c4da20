"""Asks a RADIUS server with pyrad: a JSON job on standard input, a JSON list of replies on output.

Replies are verified by pyrad, those to Access-Request and Status-Server with their
Message-Authenticator; MS-CHAPv2 is verified by mschapv2.py. A reply that cannot be believed is
none.
"""
import hashlib
import io
import json
import os
import sys

from pyrad.client import Client, Timeout
from pyrad.dictionary import Dictionary
from pyrad.packet import StatusServer

import mschapv2

DICTIONARY = """
ATTRIBUTE User-Name 1 string
ATTRIBUTE User-Password 2 string
ATTRIBUTE NAS-IP-Address 4 ipaddr
ATTRIBUTE NAS-Port 5 integer
ATTRIBUTE Service-Type 6 integer
ATTRIBUTE Framed-Protocol 7 integer
ATTRIBUTE Framed-IP-Address 8 ipaddr
ATTRIBUTE Reply-Message 18 string
ATTRIBUTE Class 25 octets
ATTRIBUTE Session-Timeout 27 integer
ATTRIBUTE Idle-Timeout 28 integer
ATTRIBUTE Called-Station-Id 30 string
ATTRIBUTE Calling-Station-Id 31 string
ATTRIBUTE NAS-Identifier 32 string
ATTRIBUTE Proxy-State 33 octets
ATTRIBUTE Acct-Status-Type 40 integer
ATTRIBUTE Acct-Delay-Time 41 integer
ATTRIBUTE Acct-Input-Octets 42 integer
ATTRIBUTE Acct-Output-Octets 43 integer
ATTRIBUTE Acct-Session-Id 44 string
ATTRIBUTE Acct-Session-Time 46 integer
ATTRIBUTE Acct-Terminate-Cause 49 integer
ATTRIBUTE Acct-Input-Gigawords 52 integer
ATTRIBUTE Acct-Output-Gigawords 53 integer
ATTRIBUTE Message-Authenticator 80 octets
ATTRIBUTE Acct-Interim-Interval 85 integer
VENDOR Mikrotik 14988
BEGIN-VENDOR Mikrotik
ATTRIBUTE Mikrotik-Rate-Limit 8 string
END-VENDOR Mikrotik
VENDOR Microsoft 311
BEGIN-VENDOR Microsoft
ATTRIBUTE MS-CHAP-Error 2 octets
ATTRIBUTE MS-MPPE-Encryption-Policy 7 octets
ATTRIBUTE MS-MPPE-Encryption-Types 8 octets
ATTRIBUTE MS-MPPE-Send-Key 16 octets
ATTRIBUTE MS-MPPE-Recv-Key 17 octets
ATTRIBUTE MS-CHAP2-Success 26 octets
END-VENDOR Microsoft
"""
MICROSOFT = 311
IDENTIFIER = 7


def access(client, job):
    request = client.CreateAuthPacket(User_Name=job["user"])
    request.authenticator = request.CreateAuthenticator()
    return request


def ask_pap(client, job):
    request = access(client, job)
    request["User-Password"] = request.PwCrypt(job["password"])
    return request, None


def ask_chap(client, job):
    request = access(client, job)
    challenge = os.urandom(16)
    identifier = bytes([IDENTIFIER])
    digest = hashlib.md5(identifier + job["password"].encode() + challenge).digest()
    request[3] = [identifier + digest]
    request[60] = [challenge]
    return request, None


def ask_mschapv2(client, job):
    request = access(client, job)
    user, password = job["user"], job["password"]
    challenge, peer = os.urandom(16), os.urandom(16)
    response = mschapv2.nt_response(challenge, peer, user, password)
    request[(MICROSOFT, 11)] = [challenge]
    request[(MICROSOFT, 25)] = [bytes([IDENTIFIER, 0]) + peer + bytes(8) + response]

    def verify(reply):
        success = reply[(MICROSOFT, 26)][0]
        expected = mschapv2.authenticator_response(challenge, peer, user, password, response)
        assert success[0] == IDENTIFIER, success
        assert success[1:43].decode() == expected, (success, expected)
        keys = [mschapv2.decrypt_key(reply[(MICROSOFT, kind)][0], client.secret,
                                     reply.request_authenticator) for kind in (16, 17)]
        assert keys == mschapv2.server_keys(password, response), keys

    return request, verify


def ask_accounting(client, job):
    return client.CreateAcctPacket(), None


def ask_status_auth(client, job):
    return client.CreateAuthPacket(code=StatusServer), None


def ask_status_acct(client, job):
    return client.CreateAcctPacket(code=StatusServer), None


KINDS = {
    "pap": ask_pap,
    "chap": ask_chap,
    "mschapv2": ask_mschapv2,
    "accounting": ask_accounting,
    "status_auth": ask_status_auth,
    "status_acct": ask_status_acct,
}


def show(value):
    return value.hex() if isinstance(value, bytes) else str(value)


def name_of(key):
    return key if isinstance(key, str) else f"Attribute-{key}"


def main():
    job = json.load(sys.stdin)
    client = Client(server=job["server"], authport=job["auth_port"], acctport=job["acct_port"],
                    secret=job["secret"].encode(), dict=Dictionary(io.StringIO(DICTIONARY)),
                    retries=3, timeout=2, enforce_ma=True)
    answers = []
    for one in job["requests"]:
        request, verify = KINDS[one["kind"]](client, one)
        for name, value in one["attributes"].items():
            if name == "Class":
                request[25] = [bytes.fromhex(value)]
            else:
                request[name] = value
        try:
            reply = client.SendPacket(request)
        except Timeout:
            answers.append(None)
            continue
        if verify and reply.code == 2:
            verify(reply)
        answers.append({
            "code": reply.code,
            "attributes": [[name_of(key), show(value)] for key in reply.keys()
                           for value in reply[key]],
        })
    json.dump(answers, sys.stdout)


main()
