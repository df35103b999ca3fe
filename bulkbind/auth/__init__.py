"""Credentials: found once, shown to nobody, turned into headers for each request."""

from bulkbind.auth.chain import TOKEN_VARIABLE as TOKEN_VARIABLE
from bulkbind.auth.chain import Finder as Finder
from bulkbind.auth.keys import Key as Key
from bulkbind.auth.token import Credential as Credential
from bulkbind.auth.token import Signable as Signable
from bulkbind.auth.token import Token as Token
