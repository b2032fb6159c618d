# SPDX-License-Identifier: GPL-2.0-or-later
doed_fuzz(wire LIBS doed_wire)
