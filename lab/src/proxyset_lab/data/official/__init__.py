"""The paper's own data, read from where its user has put the official files: they are in no package."""

from proxyset_lab.data.official.digits import PAPER_DIGITS
from proxyset_lab.data.official.domainnet import DOMAINNET_10, DOMAINNET_345

__all__ = ["DOMAINNET_10", "DOMAINNET_345", "PAPER_DIGITS"]
