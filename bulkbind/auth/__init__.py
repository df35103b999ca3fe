"""Credentials: found once, shown to nobody, turned into headers for each request."""

from bulkbind.auth.asking import ask as ask
from bulkbind.auth.chain import TOKEN_VARIABLE as TOKEN_VARIABLE
from bulkbind.auth.chain import Finder as Finder
from bulkbind.auth.clock import MAX_SKEW_S as MAX_SKEW_S
from bulkbind.auth.clock import ServerClock as ServerClock
from bulkbind.auth.iam import Iam as Iam
from bulkbind.auth.iam import find_project as find_project
from bulkbind.auth.keys import Key as Key
from bulkbind.auth.renewing import Renewing as Renewing
from bulkbind.auth.token import Credential as Credential
from bulkbind.auth.token import Sender as Sender
from bulkbind.auth.token import Signable as Signable
from bulkbind.auth.token import Token as Token
