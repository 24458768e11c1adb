"""By what a stack's things are found on its engine: the labels that infra/components/site.py gives them.

Written down a second time, because infra/ is not made of services and nothing that ships knows infra/.
"""

from typing import Final

STACK_LABEL: Final = "dev.millrace.stack"
ROLE_LABEL: Final = "dev.millrace.role"
# The value of the first on a stack without a prefix.
DEFAULT_STACK: Final = "millrace"
# What the role of a container that does something once and ends ends with.
JOB_SUFFIX: Final = "-job"
