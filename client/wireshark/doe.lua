-- SPDX-License-Identifier: LGPL-2.1-or-later
--
-- Captures of doed in Wireshark and tshark: the header that doed writes before each data object (described in
-- org.doed(5)), the object's own header, and what the features in it mean: discovery, CXL table access with its CDAT
-- structures, and SPDM messages. Link type USER0 is anybody's own; here it is doed's, as long as the header fits.
--
--   tshark -X lua_script:doe.lua -r FILE          or in Wireshark's folder for personal Lua plugins

local doe = Proto("doe", "PCIe Data Object Exchange")

local HEADER_VERSION, HEADER_BYTES, OBJECT_HEADER_BYTES = 1, 36, 8
local REQUEST, RESPONSE = 0, 1
local WITHHELD = 0x01

local directions = { [REQUEST] = "request", [RESPONSE] = "response" }

-- what an exchange can end with
local errnos = {
    [0] = "done",
    [12] = "ENOMEM", [16] = "EBUSY", [18] = "EXDEV", [19] = "ENODEV", [30] = "EROFS", [74] = "EBADMSG",
    [90] = "EMSGSIZE", [98] = "EADDRINUSE", [103] = "ECONNABORTED", [108] = "ESHUTDOWN", [110] = "ETIMEDOUT", [121] = "EREMOTEIO",
    [125] = "ECANCELED",
}

-- 256 * vendor + type
local DISCOVERY, SPDM, SECURED_SPDM = 0x000100, 0x000101, 0x000102
local SPDM_CONNECTION, SECURED_SPDM_CONNECTION = 0x000103, 0x000104
local COMPLIANCE, TABLE_ACCESS = 0x1e9800, 0x1e9802
local features = {
    [DISCOVERY] = "Discovery", [SPDM] = "SPDM", [SECURED_SPDM] = "Secured SPDM",
    [SPDM_CONNECTION] = "SPDM", [SECURED_SPDM_CONNECTION] = "Secured SPDM",
    [0x000105] = "Async Message", [COMPLIANCE] = "CXL Compliance", [TABLE_ACCESS] = "CXL Table Access",
}

local spdm_codes = {
    [0x01] = "DIGESTS", [0x02] = "CERTIFICATE", [0x03] = "CHALLENGE_AUTH", [0x04] = "VERSION",
    [0x05] = "CHUNK_SEND_ACK", [0x06] = "CHUNK_RESPONSE", [0x07] = "ENDPOINT_INFO", [0x08] = "SLOT_MANAGEMENT_RESP",
    [0x60] = "MEASUREMENTS", [0x61] = "CAPABILITIES", [0x62] = "SUPPORTED_EVENT_TYPES", [0x63] = "ALGORITHMS",
    [0x64] = "KEY_EXCHANGE_RSP", [0x65] = "FINISH_RSP", [0x66] = "PSK_EXCHANGE_RSP", [0x67] = "PSK_FINISH_RSP",
    [0x68] = "HEARTBEAT_ACK", [0x69] = "KEY_UPDATE_ACK", [0x6a] = "ENCAPSULATED_REQUEST",
    [0x6b] = "ENCAPSULATED_RESPONSE_ACK", [0x6c] = "END_SESSION_ACK", [0x6d] = "CSR", [0x6e] = "SET_CERTIFICATE_RSP",
    [0x6f] = "MEASUREMENT_EXTENSION_LOG", [0x70] = "SUBSCRIBE_EVENT_TYPES_ACK", [0x71] = "EVENT_ACK",
    [0x7c] = "KEY_PAIR_INFO", [0x7d] = "SET_KEY_PAIR_INFO_ACK", [0x7e] = "VENDOR_DEFINED_RESPONSE", [0x7f] = "ERROR",
    [0x81] = "GET_DIGESTS", [0x82] = "GET_CERTIFICATE", [0x83] = "CHALLENGE", [0x84] = "GET_VERSION",
    [0x85] = "CHUNK_SEND", [0x86] = "CHUNK_GET", [0x87] = "GET_ENDPOINT_INFO", [0x88] = "SLOT_MANAGEMENT",
    [0xe0] = "GET_MEASUREMENTS", [0xe1] = "GET_CAPABILITIES", [0xe2] = "GET_SUPPORTED_EVENT_TYPES",
    [0xe3] = "NEGOTIATE_ALGORITHMS", [0xe4] = "KEY_EXCHANGE", [0xe5] = "FINISH", [0xe6] = "PSK_EXCHANGE",
    [0xe7] = "PSK_FINISH", [0xe8] = "HEARTBEAT", [0xe9] = "KEY_UPDATE", [0xea] = "GET_ENCAPSULATED_REQUEST",
    [0xeb] = "DELIVER_ENCAPSULATED_RESPONSE", [0xec] = "END_SESSION", [0xed] = "GET_CSR", [0xee] = "SET_CERTIFICATE",
    [0xef] = "GET_MEASUREMENT_EXTENSION_LOG", [0xf0] = "SUBSCRIBE_EVENT_TYPES", [0xf1] = "SEND_EVENT",
    [0xfc] = "GET_KEY_PAIR_INFO", [0xfd] = "SET_KEY_PAIR_INFO", [0xfe] = "VENDOR_DEFINED_REQUEST",
    [0xff] = "RESPOND_IF_READY",
}

local spdm_errors = {
    [0x01] = "InvalidRequest", [0x03] = "Busy", [0x04] = "UnexpectedRequest", [0x05] = "Unspecified",
    [0x06] = "DecryptError", [0x07] = "UnsupportedRequest", [0x08] = "RequestInFlight", [0x09] = "InvalidResponseCode",
    [0x0a] = "SessionLimitExceeded", [0x0b] = "SessionRequired", [0x0c] = "ResetRequired", [0x0d] = "ResponseTooLarge",
    [0x0e] = "RequestTooLarge", [0x0f] = "LargeResponse", [0x10] = "MessageLost", [0x41] = "VersionMismatch",
    [0x42] = "ResponseNotReady", [0x43] = "RequestResynch", [0xff] = "VendorDefined",
}

local table_codes = { [0] = "Read Entry" }
local table_types = { [0] = "CDAT" }
local cdat_types = { [0] = "DSMAS", "DSLBIS", "DSMSCIS", "DSIS", "DSEMTS", "SSLBIS" }
local CDAT_HEADER = 0
local LAST_HANDLE = 0xffff

local compliance_codes = {
    [0x00] = "capability", "status", "halt", "multiple-write-streaming", "producer-consumer", "bogus-writes",
    "inject-poison", "inject-crc", "inject-flow-control", "toggle-cache-flush", "inject-mac-delay",
    "insert-unexpected-mac", "inject-viral", "inject-almp", "ignore-almp", "inject-bit-error", "inject-media-poison",
}

local f = {
    version = ProtoField.uint8("doe.version", "Version of this header"),
    header_bytes = ProtoField.uint8("doe.header_bytes", "Bytes of this header"),
    direction = ProtoField.uint8("doe.direction", "Direction", base.DEC, directions),
    flags = ProtoField.uint8("doe.flags", "Flags", base.HEX),
    withheld = ProtoField.bool("doe.flags.withheld", "Payload withheld by a rule", 8, nil, WITHHELD),
    status = ProtoField.uint32("doe.status", "Status", base.DEC, errnos),
    uid = ProtoField.uint32("doe.uid", "User who asked"),
    queue = ProtoField.uint64("doe.queue_usec", "In the queue (us)"),
    device = ProtoField.uint64("doe.device_usec", "With the device (us)"),
    exchange = ProtoField.uint64("doe.exchange", "Exchange"),
    request_in = ProtoField.framenum("doe.request_in", "Request in", base.NONE, frametype.REQUEST),
    response_in = ProtoField.framenum("doe.response_in", "Response in", base.NONE, frametype.RESPONSE),

    feature = ProtoField.string("doe.feature", "Feature"),
    vendor = ProtoField.uint16("doe.vendor", "Vendor", base.HEX),
    type = ProtoField.uint8("doe.type", "Type", base.HEX),
    dwords = ProtoField.uint32("doe.dwords", "Length (dwords, header included; 0 is 2^18)", base.DEC, nil, 0x3ffff),
    connection = ProtoField.uint32("doe.connection", "Connection ID", base.DEC, nil, 0x3ffc0000),
    payload = ProtoField.bytes("doe.payload", "Payload"),

    discovery_index = ProtoField.uint8("doe.discovery.index", "Index"),
    discovery_vendor = ProtoField.uint16("doe.discovery.vendor", "Vendor", base.HEX),
    discovery_type = ProtoField.uint8("doe.discovery.type", "Type", base.HEX),
    discovery_next = ProtoField.uint8("doe.discovery.next", "Next index (0: this is the last)"),
    discovery_dwords = ProtoField.uint32("doe.discovery.dwords", "Largest object (dwords; 0 is 2^18)", base.DEC, nil,
        0x3ffff),
    discovery_connection = ProtoField.uint32("doe.discovery.connection", "Largest connection ID", base.DEC, nil,
        0x3ffc0000),

    table_code = ProtoField.uint8("doe.table.code", "Code", base.HEX, table_codes),
    table_type = ProtoField.uint8("doe.table.type", "Table", base.HEX, table_types),
    table_handle = ProtoField.uint16("doe.table.handle", "Entry handle", base.HEX),
    table_next = ProtoField.uint16("doe.table.next", "Next entry handle (ffff: this is the last)", base.HEX),
    cdat_length = ProtoField.uint32("doe.cdat.length", "Length of the table"),
    cdat_revision = ProtoField.uint8("doe.cdat.revision", "Revision"),
    cdat_checksum = ProtoField.uint8("doe.cdat.checksum", "Checksum", base.HEX),
    cdat_sequence = ProtoField.uint32("doe.cdat.sequence", "Sequence"),
    cdat_type = ProtoField.uint8("doe.cdat.type", "Structure", base.DEC, cdat_types),
    cdat_bytes = ProtoField.uint16("doe.cdat.bytes", "Bytes of the structure"),

    spdm_version = ProtoField.uint8("doe.spdm.version", "Version (major, minor)", base.HEX),
    spdm_code = ProtoField.uint8("doe.spdm.code", "Code", base.HEX, spdm_codes),
    spdm_param1 = ProtoField.uint8("doe.spdm.param1", "Param1", base.HEX),
    spdm_param2 = ProtoField.uint8("doe.spdm.param2", "Param2", base.HEX),
    spdm_error = ProtoField.uint8("doe.spdm.error", "Error", base.HEX, spdm_errors),
    spdm_session = ProtoField.uint32("doe.spdm.session", "Session ID", base.HEX),

    compliance_code = ProtoField.uint8("doe.compliance.code", "Code", base.HEX, compliance_codes),
}
doe.fields = f

-- exchange -> request, response: frame numbers; feature; handle that was asked for. Filled in the first pass.
local exchanges = {}

function doe.init()
    exchanges = {}
end

local function hex(value, n_digits)
    return string.format("%0" .. n_digits .. "x", value)
end

local function feature_name(feature)
    local number = hex(math.floor(feature / 256), 4) .. ":" .. hex(feature % 256, 2)
    return features[feature] or number, number
end

-- Each takes the captured part of the payload, which may be short of it, and returns what is to be said of it.

local function dissect_discovery(payload, tree, direction)
    if direction == REQUEST then
        if payload:len() < 4 then return nil end
        tree:add_le(f.discovery_index, payload(0, 1))
        return "index " .. payload(0, 1):uint()
    end
    if payload:len() < 4 then return nil end
    tree:add_le(f.discovery_vendor, payload(0, 2))
    tree:add_le(f.discovery_type, payload(2, 1))
    tree:add_le(f.discovery_next, payload(3, 1))
    if payload:len() >= 8 then
        tree:add_le(f.discovery_dwords, payload(4, 4))
        tree:add_le(f.discovery_connection, payload(4, 4))
    end
    local name, number = feature_name(payload(0, 2):le_uint() * 256 + payload(2, 1):uint())
    if name ~= number then number = number .. " " .. name end
    return number .. ", next " .. payload(3, 1):uint()
end

local function dissect_cdat(entry, tree, handle)
    if handle == CDAT_HEADER then
        if entry:len() < 12 then return "CDAT header" end
        tree:add_le(f.cdat_length, entry(0, 4))
        tree:add_le(f.cdat_revision, entry(4, 1))
        tree:add_le(f.cdat_checksum, entry(5, 1))
        if entry:len() >= 16 then tree:add_le(f.cdat_sequence, entry(12, 4)) end
        return "CDAT header, " .. entry(0, 4):le_uint() .. " bytes"
    end
    if entry:len() < 4 then return nil end
    tree:add_le(f.cdat_type, entry(0, 1))
    tree:add_le(f.cdat_bytes, entry(2, 2))
    return cdat_types[entry(0, 1):uint()] or "CDAT structure " .. entry(0, 1):uint()
end

local function dissect_table(payload, tree, direction, exchange)
    if payload:len() < 4 then return nil end
    tree:add_le(f.table_code, payload(0, 1))
    tree:add_le(f.table_type, payload(1, 1))
    local handle = payload(2, 2):le_uint()
    if direction == REQUEST then
        tree:add_le(f.table_handle, payload(2, 2))
        exchange.handle = handle
        return "Read Entry, handle " .. hex(handle, 4)
    end
    tree:add_le(f.table_next, payload(2, 2))
    -- which one it is only the request says
    local what = exchange.handle and payload:len() > 4 and dissect_cdat(payload(4):tvb(), tree, exchange.handle)
    local next_text = handle == LAST_HANDLE and "the last" or "next " .. hex(handle, 4)
    return "Entry" .. (what and " " .. what or "") .. ", " .. next_text
end

local function dissect_spdm(payload, tree)
    if payload:len() < 4 then return nil end
    local code = payload(1, 1):uint()
    tree:add_le(f.spdm_version, payload(0, 1))
    tree:add_le(f.spdm_code, payload(1, 1))
    local name = spdm_codes[code] or "code " .. hex(code, 2)
    if code == 0x7f then
        tree:add_le(f.spdm_error, payload(2, 1))
        name = name .. " " .. (spdm_errors[payload(2, 1):uint()] or hex(payload(2, 1):uint(), 2))
    else
        tree:add_le(f.spdm_param1, payload(2, 1))
    end
    tree:add_le(f.spdm_param2, payload(3, 1))
    return name
end

local function dissect_secured(payload, tree)
    if payload:len() < 4 then return nil end
    tree:add_le(f.spdm_session, payload(0, 4))
    return "session " .. hex(payload(0, 4):le_uint(), 8)
end

local function dissect_compliance(payload, tree)
    if payload:len() < 1 then return nil end
    tree:add_le(f.compliance_code, payload(0, 1))
    return compliance_codes[payload(0, 1):uint()] or "code " .. hex(payload(0, 1):uint(), 2)
end

local dissectors = {
    [DISCOVERY] = dissect_discovery, [TABLE_ACCESS] = dissect_table, [COMPLIANCE] = dissect_compliance,
    [SPDM] = dissect_spdm, [SPDM_CONNECTION] = dissect_spdm,
    [SECURED_SPDM] = dissect_secured, [SECURED_SPDM_CONNECTION] = dissect_secured,
}

local function dissect_header(buffer, tree)
    local head = tree:add(doe, buffer(0, math.min(buffer(1, 1):uint(), buffer:len())), "Recorded by doed")
    head:add_le(f.version, buffer(0, 1))
    head:add_le(f.header_bytes, buffer(1, 1))
    head:add_le(f.direction, buffer(2, 1))
    head:add_le(f.flags, buffer(3, 1))
    head:add_le(f.withheld, buffer(3, 1))
    head:add_le(f.status, buffer(4, 4))
    head:add_le(f.uid, buffer(8, 4))
    head:add_le(f.queue, buffer(12, 8))
    head:add_le(f.device, buffer(20, 8))
    head:add_le(f.exchange, buffer(28, 8))
    return head
end

-- Return: what is to be said of it.
local function dissect_object(object, tree, direction, exchange)
    local feature = object(0, 2):le_uint() * 256 + object(2, 1):uint()
    local name, number = feature_name(feature)
    tree:add(f.feature, object(0, 3), number):append_text(name ~= number and " (" .. name .. ")" or "")
    tree:add_le(f.vendor, object(0, 2))
    tree:add_le(f.type, object(2, 1))
    tree:add_le(f.dwords, object(4, 4))
    tree:add_le(f.connection, object(4, 4))
    exchange.feature = feature
    if object:len() == OBJECT_HEADER_BYTES then return nil end
    local payload = object(OBJECT_HEADER_BYTES):tvb()
    tree:add(f.payload, payload())
    local dissect = dissectors[feature]
    return dissect and dissect(payload, tree, direction, exchange)
end

local function describe(direction, status, feature, said, n_payload_bytes)
    local name = feature and feature_name(feature) or "?"
    if status ~= 0 then
        return name .. " failed: " .. (errnos[status] or "errno " .. status)
    end
    return name .. " " .. directions[direction] .. (said and ": " .. said or "") .. " (" .. n_payload_bytes .. " bytes)"
end

function doe.dissector(buffer, pinfo, tree)
    if buffer:len() < HEADER_BYTES or buffer(0, 1):uint() ~= HEADER_VERSION then return 0 end
    local n_header, direction, status = buffer(1, 1):uint(), buffer(2, 1):uint(), buffer(4, 4):le_uint()
    if n_header < HEADER_BYTES or not directions[direction] then return 0 end

    pinfo.cols.protocol = "DOE"
    local root = tree:add(doe, buffer())
    local head = dissect_header(buffer, root)
    local key = tostring(buffer(28, 8):le_uint64())
    -- one doed gives each number once; a file may hold captures of several, one after the other
    local exchange = exchanges[key]
    if not exchange or (not pinfo.visited and direction == REQUEST) then
        exchange = {}
        exchanges[key] = exchange
    end
    if not pinfo.visited then exchange[direction] = pinfo.number end

    local said
    if buffer:len() >= n_header + OBJECT_HEADER_BYTES then
        local object = buffer(n_header):tvb()
        local subtree = root:add(doe, object(), "Data object")
        said = dissect_object(object, subtree, direction, exchange)
    end
    if direction == REQUEST and exchange[RESPONSE] then
        head:add(f.response_in, exchange[RESPONSE]):set_generated()
    elseif direction == RESPONSE and exchange[REQUEST] then
        head:add(f.request_in, exchange[REQUEST]):set_generated()
    end
    local n_payload_bytes = math.max(0, buffer:reported_len() - n_header - OBJECT_HEADER_BYTES)
    pinfo.cols.info = describe(direction, status, exchange.feature, said, n_payload_bytes)
    return buffer:len()
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, doe)
