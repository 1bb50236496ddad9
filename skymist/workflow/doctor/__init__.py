"""Whether what skymist needs is there and works, and what to do where it does not: ``skymist doctor``.

`of_installation` looks at this machine, `of_service` at what the settings of a service name.
"""

from skymist.workflow.doctor.finding import BAD, LATER, OK, Finding
from skymist.workflow.doctor.installation import of_installation
from skymist.workflow.doctor.service import of_service

__all__ = ["BAD", "LATER", "OK", "Finding", "of_installation", "of_service"]
