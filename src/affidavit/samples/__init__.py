"""Documents to try the service on, made on the spot, with all that stands on them known."""

from affidavit.samples.demo_invoice import INVOICE_SCHEMA, INVOICE_VALUES, invoice_pdf, invoices
from affidavit.samples.sample import Sample
from affidavit.samples.scanning import scan

__all__ = ["INVOICE_SCHEMA", "INVOICE_VALUES", "Sample", "invoice_pdf", "invoices", "scan"]
