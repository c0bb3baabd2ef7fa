"""A mail program that is not ours: GIO's D-Bus from Python, messages by descriptor.

    client.py bus|peer ADDRESS METHOD INPUT OUTPUT [OPTION=VALUE ...]

calls org.waferd.Wafer1.Mail.METHOD with the files INPUT and OUTPUT (`-`: none, for Verify and Inspect) and prints
the answer as JSON: {"result": {...}} or {"error": NAME, "message": TEXT}. `bus` speaks through a message bus,
`peer` straight to the private socket. An option's value is a text; `a,b` is a list for `recipients`.
It fails if a flag of a descriptor it passed was changed.
"""

import fcntl
import json
import os
import sys

from gi.repository import Gio, GLib

NO_TIMEOUT = GLib.MAXINT  # a person may take minutes; -1 would be 25 seconds


def connect(how, address):
    flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
    if how == "bus":
        flags |= Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
    return Gio.DBusConnection.new_for_address_sync(address, flags, None, None)


def variant(name, value):
    if name == "recipients":
        return GLib.Variant("as", value.split(","))
    if name == "interactive":
        return GLib.Variant("b", value == "true")
    if name == "deadline-ms":
        return GLib.Variant("u", int(value))
    return GLib.Variant("s", value)


def plain(value):
    return value.hex() if isinstance(value, bytes) else value


def main():
    how, address, method, source, target, *named = sys.argv[1:]
    options = dict(option.split("=", 1) for option in named)
    options = {name: variant(name, value) for name, value in options.items()}
    descriptors, handles, arguments, signature = Gio.UnixFDList.new(), [], [], ""
    for path, mode in ((source, os.O_RDONLY), (target, os.O_WRONLY | os.O_CREAT)):
        if path != "-":
            handle = os.open(path, mode, 0o600)
            handles.append((handle, fcntl.fcntl(handle, fcntl.F_GETFL)))
            arguments.append(GLib.Variant("h", descriptors.append(handle)))
            signature += "v"
    body = GLib.Variant(f"({signature}a{{sv}})", (*arguments, options))
    connection = connect(how, address)
    name = "org.waferd.Wafer1" if how == "bus" else None
    try:
        answer, _ = connection.call_with_unix_fd_list_sync(
            name, "/org/waferd/Wafer1", "org.waferd.Wafer1.Mail", method, body,
            GLib.VariantType("(a{sv})"), Gio.DBusCallFlags.NONE, NO_TIMEOUT, descriptors, None)
        print(json.dumps({"result": answer.unpack()[0]}, default=plain))
    except GLib.Error as error:
        print(json.dumps({"error": Gio.DBusError.get_remote_error(error), "message": error.message}))
    for handle, before in handles:
        assert fcntl.fcntl(handle, fcntl.F_GETFL) == before, "a flag of our descriptor was changed"


main()
