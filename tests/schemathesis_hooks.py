"""What Schemathesis has to know about this service, loaded by tests/schemathesis."""

import re
import uuid

import schemathesis

# As the document has them.
ENTITY_TAGS = re.compile(r'[*]|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*')


@schemathesis.hook
def before_call(context, case, kwargs):
    """Each good key is used once.

    The same key again answers for what was made first, which may be deleted by then; that law has tests of its own.
    """
    headers = case.headers
    if headers and "Idempotency-Key" in headers and not is_negative(case):
        headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def filter_case(context, case):
    """Not those that 4.32 takes for valid although it made one of their parts invalid (`If-Match: 0`)."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return True
    return not is_negative(case) and all(is_tags(case, name) for name in ("If-Match", "If-None-Match"))


def is_tags(case, name):
    value = (case.headers or {}).get(name)
    return value is None or ENTITY_TAGS.fullmatch(value) is not None


def is_negative(case):
    return case.meta is not None and any(part.mode.is_negative for part in case.meta.components.values())
