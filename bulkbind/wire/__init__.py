"""The wire contract of APIG V2, as bulkbind reads it: paths, bodies, replies.

Promised by the vendor's page "Binding a Plug-in to APIs" and the published API
definition: ``POST .../plugins/{plugin_id}/attach`` with ``env_id`` and 1-500
``api_ids`` answers 201 and ``attached_plugins``, one record for each API; detach is
``PUT .../detach`` and answers 204 with no body; an error body has ``error_code`` and
``error_msg``; the answer's ``X-Request-Id`` names the request.

Assumed, because no page says it: records may come in any order (they are matched by
``api_id``), a field of a record may be missing, and unknown fields may appear.
"""

from bulkbind.wire.lists import PAGE as PAGE
from bulkbind.wire.lists import Attached as Attached
from bulkbind.wire.lists import Item as Item
from bulkbind.wire.lists import KnownApi as KnownApi
from bulkbind.wire.lists import KnownEnv as KnownEnv
from bulkbind.wire.lists import KnownGateway as KnownGateway
from bulkbind.wire.lists import KnownPlugin as KnownPlugin
from bulkbind.wire.lists import Listing as Listing
from bulkbind.wire.lists import ListPath as ListPath
from bulkbind.wire.lists import Page as Page
from bulkbind.wire.lists import apis_list as apis_list
from bulkbind.wire.lists import attached_list as attached_list
from bulkbind.wire.lists import envs_list as envs_list
from bulkbind.wire.lists import gateways_list as gateways_list
from bulkbind.wire.lists import plugins_list as plugins_list
from bulkbind.wire.lists import read_apis as read_apis
from bulkbind.wire.lists import read_attached as read_attached
from bulkbind.wire.lists import read_envs as read_envs
from bulkbind.wire.lists import read_gateways as read_gateways
from bulkbind.wire.lists import read_plugins as read_plugins
from bulkbind.wire.masks import Masks as Masks
from bulkbind.wire.plugin import METHODS as METHODS
from bulkbind.wire.plugin import plugin_body as plugin_body
from bulkbind.wire.plugin import plugin_path as plugin_path
from bulkbind.wire.plugin import read_refusal as read_refusal
from bulkbind.wire.plugin import read_reply as read_reply
from bulkbind.wire.text import MAX_TEXT as MAX_TEXT
from bulkbind.wire.text import scrub as scrub
from bulkbind.wire.text import visible as visible
