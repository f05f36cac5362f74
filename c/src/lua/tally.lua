-- TALLY: what an actor saw end in the queue since it last told. For people and tools only.
-- KEYS tally minutes
-- ARGV n (counts the tallies of the actor from 1), finished, failed, retried, lost, waits, runs ('<bucket>:<count> …')
-- Returns 1 counted; 0 counted before.
-- Repeat: n was counted.
local call = redis.call
local tally, minutes = unpack(KEYS)
-- @include now
-- @include num
-- @include types
local wrong = types('string', 'hash')
if wrong then return wrong end
local n = num(ARGV[1])
if num(call('GET', tally)) >= n then return 0 end
local r = redis.pcall('SET', tally, whole(n), 'PX', 600000)
if r.err then return r end
local m = math.floor(now / 60000)
local day, hour = string.match(call('HGET', minutes, 'swept') or '', '^(%d+) (%d+)$')
day, hour = num(day), num(hour)
-- The clock went back by more than a day: what lies in the future would never be swept.
if day > m then call('DEL', minutes) end
if day == 0 or day > m then day, hour = m, m end
local old = {}
for i = day, math.min(m - 1440, day + 63) do
  old[#old + 1] = whole(i)
  day = i + 1
end
for i = hour, math.min(m - 60, hour + 31) do
  old[#old + 1] = whole(i) .. ':w'
  old[#old + 1] = whole(i) .. ':r'
  hour = i + 1
end
if #old > 0 then call('HDEL', minutes, unpack(old)) end
local field = whole(m)
local sum = {string.match(call('HGET', minutes, field) or '', '^(%d+) (%d+) (%d+) (%d+)$')}
for i = 1, 4 do sum[i] = whole(num(sum[i]) + num(ARGV[i + 1])) end
local function merge(name, text)
  if text == '' then return end
  local count, out = {}, {}
  for bucket, c in string.gmatch((call('HGET', minutes, name) or '') .. ' ' .. text, '(%d+):(%d+)') do
    bucket = math.min(num(bucket), 175)
    count[bucket] = (count[bucket] or 0) + num(c)
  end
  for bucket = 0, 175 do
    if count[bucket] then out[#out + 1] = bucket .. ':' .. whole(count[bucket]) end
  end
  call('HSET', minutes, name, table.concat(out, ' '))
end
merge(field .. ':w', ARGV[6])
merge(field .. ':r', ARGV[7])
call('HSET', minutes, field, table.concat(sum, ' '), 'swept', whole(day) .. ' ' .. whole(hour))
call('PEXPIRE', minutes, 86400000)
return 1
