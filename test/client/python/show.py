"""What the programs of this folder share: printing a result with its types."""
import datetime
import decimal
import json


def plain(value):
    """Write a value with its type, so that a change of type is a change of result."""
    if isinstance(value, (bytes, memoryview)):
        return "bytes " + bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return "datetime " + value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return type(value).__name__ + " " + str(value)
    if hasattr(value, "values_by_name"):
        return value.values_by_name()
    return list(value)


def write(operation, value):
    """Print an operation's result."""
    print(operation, json.dumps(value, default=plain, ensure_ascii=False, sort_keys=True), sep="\t", flush=True)


def show(operation, run, after_error=lambda: None):
    """Run an operation and print its result, or the error that it raised; an error spoils no later operation."""
    try:
        write(operation, run())
    except Exception as error:  # pylint: disable=broad-except
        after_error()
        print(operation, "ERROR " + type(error).__name__ + " " + str(error).split("\n", maxsplit=1)[0], sep="\t", flush=True)
