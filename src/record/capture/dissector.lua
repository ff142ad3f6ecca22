
-- From here on: dissector.lua.

local nls = Proto("nls", "Network lab shell")
local f = {
  type = ProtoField.uint8("nls.type", "Type", base.HEX),
  id = ProtoField.uint64("nls.id", "Connection", base.HEX),
  frame = ProtoField.uint8("nls.frame", "Frame", base.HEX),
  crc = ProtoField.uint32("nls.crc", "Check sum", base.HEX),
  damaged = ProtoField.bool("nls.damaged", "Damaged"),
  duplicate = ProtoField.bool("nls.duplicate", "Packet number seen before"),
  gap = ProtoField.uint64("nls.gap", "Packet numbers skipped before this one"),
  retransmission = ProtoField.bool("nls.retransmission", "Piece sent before"),
  preface = ProtoField.bytes("nls.preface", "Preface"),
  handshake = ProtoField.bytes("nls.handshake", "Message of the handshake"),
  record = ProtoField.uint16("nls.record", "Bytes of the record"),
  size = ProtoField.uint32("nls.size", "Bytes of kind and body"),
  kind = ProtoField.uint8("nls.kind", "Kind", base.HEX),
}
for _, field in ipairs(fields) do
  local name, kind, label = field[1], field[2], field[3]
  if kind == "code" then
    f[name] = ProtoField.uint16("nls." .. name, label, base.DEC, codes)
  else
    f[name] = ProtoField[kind]("nls." .. name, label)
  end
end
nls.fields = f

local unreadable = ProtoExpert.new("nls.unreadable", "Does not follow the protocol", expert.group.MALFORMED, expert.severity.ERROR)
local damaged = ProtoExpert.new("nls.damaged.note", "Damaged: the check sum is wrong", expert.group.CHECKSUM, expert.severity.WARN)
nls.experts = { unreadable, damaged }

-- What was seen, for each direction of each connection; what was found out, for each datagram of the capture. Wireshark
-- shows packets again and in any order, but the first time in the order of the file.
local directions, verdicts, ours, sealed = {}, {}, {}, {}
function nls.init()
  directions, verdicts, ours, sealed = {}, {}, {}, {}
end

-- CRC-32C. Lua before 5.3 has no operators for bits, later ones no library.
local xor = bit32 and bit32.bxor or load("return function(a, b) return a ~ b end")()
local crc_table = {}
for byte = 0, 255 do
  local value = byte
  for _ = 1, 8 do
    local low = value % 2
    value = (value - low) / 2
    value = low == 1 and xor(value, 0x82f63b78) or value
  end
  crc_table[byte] = value
end
local function crc32c(text)
  local value, byte_at = 0xffffffff, string.byte
  for at = 1, #text do
    local low = value % 256
    value = xor((value - low) / 256, crc_table[xor(low, byte_at(text, at))])
  end
  return xor(value, 0xffffffff)
end

-- A number for people: those above 2^53 are rounded.
local function shown(number)
  return string.format("%.0f", number)
end

-- Reads fields from the front of a range, never past its end. `fail` ends the reading of the datagram.
local Cursor = {}
Cursor.__index = Cursor
local function fail(why)
  error({ why = why }, 0)
end
local function cursor(tvb, from, to)
  return setmetatable({ tvb = tvb, at = from, to = to }, Cursor)
end
function Cursor:take(count)
  if count > self.to - self.at then
    fail("ends too early")
  end
  local at = self.at
  self.at = at + count
  if count == 0 then
    return nil
  end
  return self.tvb(at, count)
end
-- The range, the value as Wireshark wants it, the value as a number.
function Cursor:varint()
  local first = self:take(1):uint()
  local exponent = math.floor(first / 64)
  local more = 2 ^ exponent - 1
  self.at = self.at - 1
  local range = self:take(math.floor(more + 1))
  local high, low = 0, 0
  if exponent == 3 then
    high, low = range(0, 4):uint() % 0x40000000, range(4, 4):uint()
  elseif exponent == 2 then
    low = range:uint() % 0x40000000
  elseif exponent == 1 then
    low = range:uint() % 0x4000
  else
    low = first
  end
  return range, UInt64.new(low, high), high * 4294967296 + low
end

local NUMBERS = { u8 = 1, u16 = 2, code = 2, u64 = 8 }

-- Ranges of packet numbers as text, from the largest down.
local function push_range(ranges, first, last)
  ranges[#ranges + 1] = first == last and shown(first) or shown(first) .. "-" .. shown(last)
end
local function read_ranges(c, values)
  local count, last = values["ack.count"], values["ack.largest"]
  if count == 0 or count > RANGE_LIMIT then
    fail("too many ranges")
  end
  local ranges, from = {}, c.at
  for at = 1, count do
    local _, _, length = c:varint()
    push_range(ranges, last - length, last)
    if last < length then
      fail("a range below zero")
    end
    if at < count then
      local _, _, gap = c:varint()
      last = last - length - gap - 2
    end
  end
  return c.tvb(from, c.at - from), table.concat(ranges, ", ")
end
local function read_bitmap(c, values)
  local largest, length = values["ack.largest"], values["ack.bytes"]
  if length > BITMAP_LIMIT then
    fail("the bitmap is too long")
  end
  local from = c.at
  local range = c:take(length)
  local ranges, first, last = {}, largest, largest
  for byte = 0, length - 1 do
    local value = range(byte, 1):uint()
    for bit = 0, 7 do
      local number = largest - 1 - (8 * byte + bit)
      if value % 2 == 1 then
        if number ~= first - 1 then
          push_range(ranges, first, last)
          last = number
        end
        first = number
      end
      value = math.floor(value / 2)
    end
  end
  push_range(ranges, first, last)
  return c.tvb(from, c.at - from), table.concat(ranges, ", ")
end

-- Reads the fields of a row into the tree; `on_frames` is called for the field that has frames.
local function read_fields(c, row, tree, on_frames)
  local values, before = {}, 0
  for _, field in ipairs(row) do
    local name, form = field[1], field[2]
    if NUMBERS[form] then
      local range = c:take(NUMBERS[form])
      if form == "u64" then
        before = range:uint64():tonumber()
        tree:add(f[name], range)
      else
        before = range:uint()
        tree:add(f[name], range, before)
      end
      values[name] = before
    elseif form == "varint" then
      local range, value, number = c:varint()
      tree:add(f[name], range, value)
      values[name], before = number, number
    elseif form == "bytes" or form == "text" then
      if name == "cookie" and before > COOKIE_LIMIT then
        fail("the cookie is too long")
      end
      local range = c:take(before)
      if range and form == "text" then
        values[name] = range:string(ENC_UTF_8)
        tree:add(f[name], range, values[name])
      elseif range then
        tree:add(f[name], range)
      end
    elseif form == "rest" then
      local range = c:take(c.to - c.at)
      if range then
        tree:add(f[name], range)
      end
    elseif form == "ranges" then
      local range, text = read_ranges(c, values)
      tree:add(f[name], range, text)
      values[name] = text
    elseif form == "bitmap" then
      local from = c.at
      local range, text = read_bitmap(c, values)
      tree:add(f[name], range, text)
      values[name] = text
    elseif form == "frames" then
      on_frames(values)
    end
  end
  return values
end

-- A frame for the column of Wireshark.
local function summary(name, values)
  if values["block.number"] then
    return string.format("%s %s @%s +%s", name, shown(values["block.number"]), shown(values["block.offset"]), shown(values["block.length"]))
  elseif values["stream.offset"] then
    return string.format("%s @%s +%s", name, shown(values["stream.offset"]), shown(values["stream.length"]))
  elseif values["ack.ranges"] then
    local text = values["ack.ranges"]
    return name .. " " .. (#text > 40 and text:sub(1, 40) .. "…" or text)
  end
  local code = values["close.code"] or values["refuse.code"] or values["error.code"]
  return code and name .. " " .. (codes[code] or shown(code)) or name
end

-- The first time that a datagram is seen: what its number and its pieces say in the light of those before it.
local function judge(direction, number)
  local verdict = { duplicate = direction.seen[number] or false, again = {} }
  direction.seen[number] = true
  if number > direction.next then
    verdict.gap = number - direction.next
  end
  direction.next = math.max(direction.next, number + 1)
  return verdict
end
local function judge_piece(direction, verdict, number, length)
  -- As the sender counts: the first number of the piece is below the end of all pieces so far.
  local again = number < direction.furthest and not verdict.duplicate
  verdict.again[#verdict.again + 1] = again
  direction.furthest = math.max(direction.furthest, number + math.max(1, math.ceil(length / UNIT)))
end

local interface_id = Field.new("frame.interface_id")

local function direction_of(pinfo, id)
  local interface = interface_id()
  local key = table.concat({
    tostring(interface and interface.value or 0), id, tostring(pinfo.src), pinfo.src_port, tostring(pinfo.dst), pinfo.dst_port,
  }, " ")
  directions[key] = directions[key] or { seen = {}, next = 0, furthest = 0 }
  return directions[key]
end

local function read_frames(c, pinfo, tree, id, number, info)
  local is_first, direction = verdicts[pinfo.number].data == nil, nil
  if is_first then
    direction = direction_of(pinfo, id)
    verdicts[pinfo.number].data = judge(direction, number)
  end
  local verdict, pieces = verdicts[pinfo.number].data, 0
  if verdict.gap then
    tree:add(f.gap, UInt64.new(verdict.gap % 4294967296, math.floor(verdict.gap / 4294967296))):set_generated()
  end
  if verdict.duplicate then
    tree:add(f.duplicate, true):set_generated()
    info[#info + 1] = "[duplicate]"
  end
  while c.at < c.to do
    local from = c.at
    local kind = c:take(1):uint()
    local row = frames[kind]
    if not row then
      fail("an unknown frame")
    end
    local branch = tree:add(nls, c.tvb(from, 1), row.name)
    branch:add(f.frame, c.tvb(from, 1)):append_text(" " .. row.name)
    local values = read_fields(c, row.fields, branch)
    local text = summary(row.name, values)
    if values["block.number"] then
      pieces = pieces + 1
      if is_first then
        judge_piece(direction, verdict, values["block.number"], values["block.length"])
      end
      if verdict.again[pieces] then
        branch:add(f.retransmission, true):set_generated()
        text = text .. " [again]"
      end
    end
    branch:set_len(c.at - from)
    branch:set_text(text)
    info[#info + 1] = text
  end
end

-- Runs `read`; what does not follow the protocol is said in the tree.
local function guarded(tree, read)
  local good, problem = pcall(read)
  if not good then
    local why = type(problem) == "table" and problem.why or tostring(problem)
    tree:add_proto_expert_info(unreadable, "Does not follow the protocol: " .. why)
  end
end

local function dissect_datagram(tvb, pinfo, root)
  local kind, length = tvb(0, 1):uint(), tvb:len()
  local row = datagrams[kind]
  local id = tostring(tvb(1, 8):bytes())
  local tree = root:add(nls, tvb(), "Network lab shell, " .. row.name)
  tree:add(f.type, tvb(0, 1)):append_text(" " .. row.name)
  tree:add(f.id, tvb(1, 8))
  pinfo.cols.protocol = "NLS"
  local info = { row.name }
  if kind >= FIRST_SEALED then
    guarded(tree, function()
      info[1] = row.name .. " " .. shown(read_fields(cursor(tvb, 9, length), row.fields, tree).number)
    end)
    pinfo.cols.info = info[1]
    return length
  end
  local crc = tvb(length - CRC_BYTES, CRC_BYTES)
  if verdicts[pinfo.number].is_damaged then
    tree:add(f.crc, crc)
    tree:add(f.damaged, true):set_generated()
    tree:add_proto_expert_info(damaged)
    info[#info + 1] = "[damaged]"
  else
    guarded(tree, function()
      local c = cursor(tvb, 9, length - CRC_BYTES)
      local values = read_fields(c, row.fields, tree, function(values)
        info[1] = row.name .. " " .. shown(values.number)
        read_frames(c, pinfo, tree, id, values.number, info)
      end)
      info[1] = summary(info[1], values)
      if c.at < c.to then
        fail("bytes that are left over")
      end
    end)
    tree:add(f.crc, crc)
  end
  pinfo.cols.info = table.concat(info, "  ")
  return length
end

-- Ours: a known type, a whole datagram, a right check sum; a wrong one, or none as encrypted ones have, only between
-- addresses that spoke this protocol before. The answer is kept: a check sum takes long.
local function is_ours(tvb, pinfo)
  local length = tvb:len()
  if length < 1 + 8 + CRC_BYTES or length < tvb:reported_len() or not datagrams[tvb(0, 1):uint()] then
    return false
  end
  local known = verdicts[pinfo.number]
  if known == nil then
    local one = tostring(pinfo.src) .. " " .. pinfo.src_port
    local other = tostring(pinfo.dst) .. " " .. pinfo.dst_port
    local pair = one < other and one .. " " .. other or other .. " " .. one
    local is_sealed = tvb(0, 1):uint() >= FIRST_SEALED
    local is_right = not is_sealed and crc32c(tvb:raw(0, length - CRC_BYTES)) == tvb(length - CRC_BYTES, CRC_BYTES):uint()
    ours[pair] = ours[pair] or is_right
    known = ours[pair] and { is_damaged = not is_right and not is_sealed } or false
    verdicts[pinfo.number] = known
  end
  return known and true or false
end

local function dissect_udp(tvb, pinfo, root)
  if not is_ours(tvb, pinfo) then
    return false
  end
  -- From now on before protocols that are known by their ports.
  pinfo.conversation = nls
  dissect_datagram(tvb, pinfo, root)
  return true
end

-- TCP: a preface, then frames, or with a key a message of the handshake and records. A frame cannot have the magic number as
-- its size, so the two are never confused.
local HEADER = 5
-- The bytes of a file have hashes instead of a check sum.
local function check_bytes(kind)
  return kind == BLOCK and 0 or CRC_BYTES
end

-- Of each TCP connection: who sent the first preface of an encrypted one, and which directions are encrypted.
local tcp_stream = Field.new("tcp.stream")
local function direction_of(pinfo)
  local stream = tostring(tcp_stream())
  return stream, stream .. " " .. tostring(pinfo.src) .. " " .. pinfo.src_port
end

local function pdu_length(tvb, pinfo, offset)
  local size = tvb(offset, 4):uint()
  local stream, direction = direction_of(pinfo)
  if size == MAGIC then
    if math.floor(tvb(offset + FLAGS, 1):uint() / SEALED) % 2 == 0 then
      return PREFACE_BYTES
    end
    sealed[stream], sealed[direction] = sealed[stream] or direction, true
    return PREFACE_BYTES + (sealed[stream] == direction and FIRST_MESSAGE or SECOND_MESSAGE)
  elseif sealed[direction] then
    return RECORD_HEADER + tvb(offset, RECORD_HEADER):uint()
  elseif size == 0 or size > BLOCK_LIMIT + 1 then
    return tvb:len() - offset
  end
  return 4 + size + check_bytes(tvb(offset + 4, 1):uint())
end

local function dissect_pdu(tvb, pinfo, root)
  local size, length = tvb(0, 4):uint(), tvb:len()
  local tree = root:add(nls, tvb(), "Network lab shell")
  pinfo.cols.protocol = "NLS"
  local name = "Preface"
  guarded(tree, function()
    if size == MAGIC then
      tree:add(f.preface, tvb(0, PREFACE_BYTES))
      read_fields(cursor(tvb, 4, PREFACE_BYTES), preface, tree)
      if length > PREFACE_BYTES then
        name = "Preface and handshake"
        tree:add(f.handshake, tvb(PREFACE_BYTES))
      end
      return
    end
    local _, direction = direction_of(pinfo)
    if sealed[direction] then
      name = "Record of " .. length - RECORD_HEADER .. " bytes"
      tree:add(f.record, tvb(0, RECORD_HEADER))
      read_fields(cursor(tvb, RECORD_HEADER, length), { { "sealed", "rest" } }, tree)
      return
    end
    tree:add(f.size, tvb(0, 4))
    local kind = tvb(4, 1):uint()
    local to = 4 + size
    if length ~= to + check_bytes(kind) then
      name = "Frame of a bad size"
      fail("a bad size")
    end
    local row = tcp_frames[kind] or { name = string.format("kind 0x%02x", kind), fields = { { "body", "rest" } } }
    name = row.name
    tree:add(f.kind, tvb(4, 1)):append_text(" " .. name)
    if to < length then
      local crc = tvb(to, CRC_BYTES)
      tree:add(f.crc, crc)
      if crc32c(tvb:raw(0, to)) ~= crc:uint() then
        tree:add(f.damaged, true):set_generated()
        tree:add_proto_expert_info(damaged)
        name = name .. " [damaged]"
        return
      end
    end
    name = summary(name, read_fields(cursor(tvb, HEADER, to), row.fields, tree))
  end)
  tree:append_text(", " .. name)
  pinfo.cols.info:append("  " .. name)
  return length
end

local function dissect_stream(tvb, pinfo, root)
  dissect_tcp_pdus(tvb, root, PREFACE_BYTES, pdu_length, dissect_pdu)
  return tvb:len()
end

local function begins_stream(tvb, pinfo, root)
  if tvb:len() < PREFACE_BYTES or tvb(0, 4):uint() ~= MAGIC then
    return false
  end
  pinfo.conversation = nls
  dissect_stream(tvb, pinfo, root)
  return true
end

-- For conversations that are known, and for "Decode as".
local PT_UDP = 3
function nls.dissector(tvb, pinfo, root)
  if pinfo.port_type ~= PT_UDP then
    return dissect_stream(tvb, pinfo, root)
  end
  return dissect_udp(tvb, pinfo, root) and tvb:len() or 0
end

nls:register_heuristic("udp", dissect_udp)
nls:register_heuristic("tcp", begins_stream)
DissectorTable.get("udp.port"):add_for_decode_as(nls)
DissectorTable.get("tcp.port"):add_for_decode_as(nls)
