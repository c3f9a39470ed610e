"""What every request must be before a route sees it: known parameters, each given once, of plain text."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from api.deps import DEMO_COOKIE
from api.faults import text_fault
from spatial.errors import Fault, InputError

ANSWERED_TO = {"/sign-in/oidc/return"}  # an OpenID provider may add what it likes, which is to be ignored


async def refuse_malformed(request: Request) -> None:
    """Refuse what no route can mean: unknown or repeated parameters, text that is not plain.

    A misspelt `at` must not be answered for now, of two longitudes neither is right, and PostgreSQL stores no NUL.
    """
    declared = _declared(request)
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    unknown = [] if request.url.path in ANSWERED_TO else [name for name in dict.fromkeys(names) if name not in declared]
    faults = [Fault(name, "unknown-parameter", {"known": sorted(declared)}) for name in unknown]
    faults += [
        Fault(name, "given-twice") for name, is_list in declared.items() if names.count(name) > 1 and not is_list
    ]
    # other services on this host have cookies of their own, which are none of ours
    cookie = (DEMO_COOKIE, request.cookies.get(DEMO_COOKIE, ""))
    texts = [*given, *request.path_params.items(), cookie]
    faults += [fault for where, text in texts if (fault := text_fault(where, str(text)))]
    if faults:
        raise InputError(faults)


def _plain(text: str) -> str:
    if fault := text_fault("", text):
        raise PydanticCustomError(fault.text, fault.text)
    return text


PlainText = Annotated[str, AfterValidator(_plain)]  # in a body, which `refuse_malformed` does not read


def _declared(request: Request) -> dict[str, bool]:
    """Return the query parameters of the route, and whether each may be given several times."""
    path, verb = request.scope["route"].path_format, request.method.lower()
    known: dict[tuple[str, str], dict[str, bool]] = request.app.state.parameters
    if (path, verb) not in known:
        operation: dict[str, Any] = request.app.openapi()["paths"].get(path, {}).get(verb, {})
        asked = (one for one in operation.get("parameters", ()) if one["in"] == "query")
        known[path, verb] = {one["name"]: _is_list(one["schema"]) for one in asked}
    return known[path, verb]


def _is_list(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "array" for one in (schema, *schema.get("anyOf", ())))
