/* The CPython binding of chains.c and messages.c: limited API, the GIL released while it computes. */

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "chains.h"
#include "messages.h"

static const struct chains_variant *find_variant(const char *name)
{
    const struct chains_variant *variant;
    for (size_t i = 0; (variant = chains_variant_at(i)) != NULL; i++) {
        if (strcmp(variant->name, name) == 0)
            return variant;
    }
    PyErr_Format(PyExc_ValueError, "this processor has no variant '%s'", name);
    return NULL;
}

static PyObject *advance_copy(const struct chains_variant *variant, const Py_buffer *states,
                              const Py_buffer *counts)
{
    size_t chains = (size_t)counts->len / sizeof(uint64_t);
    if (counts->len % sizeof(uint64_t) || (size_t)states->len != chains * CHAINS_STATE_BYTES) {
        PyErr_SetString(PyExc_ValueError, "every state takes 64 bytes and every count 8");
        return NULL;
    }
    PyObject *result = PyBytes_FromStringAndSize(states->buf, states->len);
    uint64_t *own_counts = PyMem_Malloc(counts->len ? (size_t)counts->len : 1);
    if (result == NULL || own_counts == NULL) {
        Py_XDECREF(result);
        PyMem_Free(own_counts);
        return PyErr_NoMemory();
    }
    memcpy(own_counts, counts->buf, (size_t)counts->len);
    unsigned char *own_states = (unsigned char *)PyBytes_AsString(result);
    Py_BEGIN_ALLOW_THREADS
    chains_advance(variant, own_states, own_counts, chains);
    Py_END_ALLOW_THREADS
    PyMem_Free(own_counts);
    return result;
}

static PyObject *advance(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer states, counts;
    const char *name;
    if (!PyArg_ParseTuple(args, "y*y*s:advance", &states, &counts, &name))
        return NULL;
    const struct chains_variant *variant = find_variant(name);
    PyObject *result = variant ? advance_copy(variant, &states, &counts) : NULL;
    PyBuffer_Release(&states);
    PyBuffer_Release(&counts);
    return result;
}

/* Hold every body of the tuple; says how many were held before one could not be. */
static size_t hold_bodies(PyObject *tuple, Py_buffer *held, size_t messages)
{
    for (size_t i = 0; i < messages; i++) {
        PyObject *body = PyTuple_GetItem(tuple, (Py_ssize_t)i);
        if (PyObject_GetBuffer(body, &held[i], PyBUF_SIMPLE) < 0)
            return i;
        if (!held[i].readonly) {
            PyErr_SetString(PyExc_TypeError, "a body must be read-only");
            return i + 1;
        }
    }
    return messages;
}

static PyObject *fold_held(const struct chains_variant *variant, const Py_buffer *held,
                           struct messages_body *bodies, size_t messages)
{
    for (size_t i = 0; i < messages; i++)
        bodies[i] = (struct messages_body){held[i].buf, (size_t)held[i].len};
    PyObject *result =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(messages * CHAINS_STATE_BYTES));
    if (result != NULL) {
        unsigned char *digests = (unsigned char *)PyBytes_AsString(result);
        Py_BEGIN_ALLOW_THREADS
        messages_fold(variant, bodies, messages, digests);
        Py_END_ALLOW_THREADS
    }
    return result;
}

static PyObject *fold_tuple(const struct chains_variant *variant, PyObject *tuple)
{
    size_t messages = (size_t)PyTuple_Size(tuple), count = 0;
    size_t room = messages ? messages : 1;
    Py_buffer *held = PyMem_Calloc(room, sizeof *held);
    struct messages_body *bodies = PyMem_Calloc(room, sizeof *bodies);
    PyObject *result = NULL;
    if (held == NULL || bodies == NULL)
        PyErr_NoMemory();
    else if ((count = hold_bodies(tuple, held, messages)) == messages && !PyErr_Occurred())
        result = fold_held(variant, held, bodies, messages);
    while (count > 0)
        PyBuffer_Release(&held[--count]);
    PyMem_Free(held);
    PyMem_Free(bodies);
    return result;
}

/* Held as buffers, so that nothing can let go of one of them while the GIL is released. */
static PyObject *fold(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *tuple;
    const char *name;
    if (!PyArg_ParseTuple(args, "O!s:fold", &PyTuple_Type, &tuple, &name))
        return NULL;
    const struct chains_variant *variant = find_variant(name);
    return variant ? fold_tuple(variant, tuple) : NULL;
}

static PyObject *variants(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    PyObject *found = PyDict_New();
    const struct chains_variant *variant;
    for (size_t i = 0; found && (variant = chains_variant_at(i)) != NULL; i++) {
        PyObject *lanes = PyLong_FromSize_t(variant->lanes);
        if (lanes == NULL || PyDict_SetItemString(found, variant->name, lanes) < 0)
            Py_CLEAR(found);
        Py_XDECREF(lanes);
    }
    return found;
}

static PyMethodDef methods[] = {
    {"advance", advance, METH_VARARGS,
     "advance(states, counts, variant): joined 64-byte states, each moved on by its own count.\n\n"
     "`counts` holds native unsigned 64-bit integers. The GIL is released."},
    {"fold", fold, METH_VARARGS,
     "fold(bodies, variant): the joined 64-byte digests of a tuple of buffers.\n\n"
     "The GIL is released."},
    {"variants", variants, METH_NOARGS,
     "The variants this processor runs, the best one last, each with its number of lanes."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_chains", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__chains(void)
{
    return PyModuleDef_Init(&definition);
}
