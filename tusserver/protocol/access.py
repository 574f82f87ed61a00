"""Who may do what with an upload. An upload belongs to the `sub` of a token; to anyone else it does not exist.

A client must never lose progress because its token ran out: HEAD needs only the address, which is a secret of 128
random bits, and bytes are taken from the owner's token as long as the upload lives that began under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.uploads import Kind, Upload

ADMIN = "admin"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tusserver"'}


class TokenNeeded(Refusal):
    """Nobody said who asks. RFC 6750, section 3."""

    status, code, title = 401, "token-needed", "A token is needed"

    def __init__(self, detail: str = "send Authorization: Bearer with a token of POST /auth/token") -> None:
        super().__init__(detail, headers=CHALLENGE)


class BadToken(Refusal):
    """A token was sent that does not count. RFC 6750, section 3.1."""

    status, code, title = 401, "bad-token", "The token does not count"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tusserver", error="invalid_token"'})


class TokenNotRenewable(Refusal):
    """Somebody else signs such tokens, and knows whether there may be another."""

    status, code, title = 403, "token-not-renewable", "This server did not give the token"


class SessionOver(Refusal):
    """A password is asked for again."""

    status, code, title = 401, "session-over", "It is time to sign in again"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="tusserver", error="invalid_token"'})


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose signature, issuer and audience are good.

    Attributes:
        owner: its `sub`.
        valid_from, valid_until: aware UTC; it may have run out.
        signed_in_at: when its owner gave the password that it and those before it came of; None: it is not ours.
    """

    owner: str
    valid_from: datetime
    valid_until: datetime
    scopes: frozenset[str] = frozenset()
    signed_in_at: datetime | None = None

    def is_valid_at(self, moment: datetime) -> bool:
        """It counts at `moment`."""
        return self.valid_from <= moment < self.valid_until


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for something.

    Attributes:
        now: when; a token is judged by it.
        is_open: this server lets everybody do everything.
        token: the token sent, if its signature is good.
        flaw: why the one sent does not count at all.
        link: id of the upload link the request came by.
    """

    now: datetime
    is_open: bool = False
    token: Token | None = None
    flaw: BadToken | None = None
    link: str | None = None

    @property
    def owner(self) -> str | None:
        """Whose token it is, if that is valid now."""
        return self.token.owner if self.token is not None and self.token.is_valid_at(self.now) else None

    @property
    def is_admin(self) -> bool:
        """May clean up behind everybody."""
        return self.is_open or (self.owner is not None and self.token is not None and ADMIN in self.token.scopes)

    def require(self) -> str | None:
        """The owner that what is made now belongs to; None where nobody was asked.

        Raises:
            TokenNeeded, BadToken: status 401.
        """
        return self.owner if self.is_open else self.require_token().owner

    def require_token(self) -> Token:
        """The token that is valid now, also where nobody is asked for one.

        Raises:
            TokenNeeded, BadToken: status 401.
        """
        if self.token is not None and self.token.is_valid_at(self.now):
            return self.token
        if self.flaw is not None:
            raise self.flaw
        if self.token is not None:
            raise BadToken("the token has run out" if self.now >= self.token.valid_until else "it is not valid yet")
        raise TokenNeeded()


def judge_renewal(token: Token, now: datetime, lasts: timedelta) -> datetime:
    """There may be another token in place of this one, which is valid; gives the time of the sign-in.

    Args:
        lasts: how long after that.
    Raises:
        TokenNotRenewable: status 403.
        SessionOver: status 401.
    """
    if token.signed_in_at is None:
        raise TokenNotRenewable("whoever signed the token gives the next one")
    if now >= token.signed_in_at + lasts:
        raise SessionOver(f"tokens are renewed for {lasts.total_seconds():.0f} s; send the password again")
    return token.signed_in_at


def judge_look(caller: Caller, upload: Upload) -> None:
    """HEAD: whoever knows the address may look, except with a good token of somebody else.

    What came by a link may be looked at with any token: the browser of who sends it may be signed in here, and its
    cookie goes along by itself.

    Raises:
        UploadNotFound: status 404.
    """
    if caller.is_open or upload.link is not None:
        return
    if caller.owner is not None and caller.owner != upload.owner:
        raise _hidden(upload)


def judge_write(caller: Caller, upload: Upload) -> None:
    """Bytes may be added, or an unfinished upload removed.

    What came by a link needs its address only. A token of the owner that was valid when the upload began is enough,
    however long ago that was.

    Raises:
        UploadNotFound: status 404.
        TokenNeeded, BadToken: status 401.
    """
    if caller.is_open or upload.link is not None:
        return
    token = caller.token
    if token is not None and token.owner == upload.owner:
        if token.is_valid_at(caller.now) or token.is_valid_at(upload.created_at):
            return
    elif caller.owner is not None:
        raise _hidden(upload)
    caller.require()


def judge_removal(caller: Caller, upload: Upload) -> None:
    """The upload may be removed.

    What is finished is its owner's: who sent it by a link, or has got hold of a token that has run out, takes nothing
    back. A part is not finished in that sense: it exists to be joined, and goes with the upload it was sent for.

    Raises:
        UploadNotFound: status 404.
        TokenNeeded, BadToken: status 401.
    """
    is_finished = upload.is_complete and upload.kind is not Kind.PARTIAL
    (judge_read if is_finished else judge_write)(caller, upload)


def judge_read(caller: Caller, upload: Upload) -> None:
    """Its bytes, its name and its dates may be told.

    Raises:
        UploadNotFound: status 404.
        TokenNeeded, BadToken: status 401.
    """
    if caller.require() != upload.owner and not caller.is_open:
        raise _hidden(upload)


def _hidden(upload: Upload) -> UploadNotFound:
    return UploadNotFound(f"there is no upload {upload.id}")
