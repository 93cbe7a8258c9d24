"""Models as files that run without their code: ONNX for any runtime, torch.export for torch. docs/exporting.md."""

from queryinst_vis.exporting.description import FileDescription
from queryinst_vis.exporting.export import FORMATS, export_model
from queryinst_vis.exporting.model import SUFFIXES, ExportedModel, load_exported

__all__ = ["FORMATS", "SUFFIXES", "ExportedModel", "FileDescription", "export_model", "load_exported"]
