"""The one part of the build that pyproject.toml cannot say: the C kernel, if there is a compiler.

`optional` lets the install succeed without one; hashlib then computes, and `workmill doctor`
says so. Built against the limited API: one binary for every Python from 3.11 on.
"""

import sysconfig

from setuptools import Extension, setup

HERE = "src/workmill/workloads/sha512"
HEADERS = ("chains", "constants", "lanes", "messages", "rounds")
LIMITED_API = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    ext_modules=[
        Extension(
            "workmill.workloads.sha512._chains",
            sources=[f"{HERE}/{name}.c" for name in ("binding", "chains", "messages")],
            depends=[f"{HERE}/{name}.h" for name in HEADERS],
            # The lanes are laid out by hand: a compiler that vectorises the scalar one, too,
            # costs a third of the speed.
            extra_compile_args=[
                "-std=c11",
                "-O2",
                "-fno-tree-vectorize",
                "-fno-tree-slp-vectorize",
            ],
            py_limited_api=LIMITED_API,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
