"""A mail server for tests: aiosmtpd, which prints what it takes as a JSON object a line, after one with its port.

Recipients called nobody@ do not exist (550), recipients called later@ are to be tried again (450), recipients called grey@
too until the third time, recipients called stuck@ get no answer.
"""

import argparse
import asyncio
import email
import email.policy
import json
import signal
import ssl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    greyed = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}>: there is no such mailbox"
        if address.startswith("later@"):
            return f"450 4.2.1 <{address}>: come back later"
        if address.startswith("grey@") and self.greyed < 2:
            self.greyed += 1
            return f"451 4.7.1 <{address}>: greylisted"
        if address.startswith("stuck@"):
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        say({
            "text": message.get_content(),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode(),
            "encrypted": session.ssl is not None,
            "login": session.auth_data.login.decode() if session.auth_data else None,
        })
        return "250 taken"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--login", nargs=2, metavar=("USER", "PASSWORD"))
    parser.add_argument("--ascii", action="store_true", help="offer no SMTPUTF8")
    args = parser.parse_args()
    options = {"enable_SMTPUTF8": not args.ascii}
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
        options |= {"tls_context": context, "require_starttls": True}
    if args.login:
        known = LoginPassword(*(text.encode() for text in args.login))
        options |= {
            "auth_required": True,
            "auth_require_tls": bool(args.tls),
            "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(
                success=data == known, handled=False, auth_data=data
            ),
        }
    controller = Controller(Handler(), hostname="127.0.0.1", port=args.port, **options)
    controller.start()
    say({"port": controller.server.sockets[0].getsockname()[1]})
    signal.pause()


main()
