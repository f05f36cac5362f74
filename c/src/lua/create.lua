-- CREATE: stores a job whose id the caller chose.
-- KEYS job
-- ARGV name, value, …
-- Returns 2 stored; 1 a job with the same payload has the id; 0 another job has it.
-- Repeat: the same payload stands there.
local call = redis.call
local n = redis.pcall('HLEN', KEYS[1])
if type(n) == 'table' then return n end
local function passes(name)
  return name == 'status' or name == 'createdAt' or name == 'updatedAt' or string.sub(name, 1, 3) == 'hq_'
end
if n > 0 then
  for i = 1, #ARGV, 2 do
    if not passes(ARGV[i]) and call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then return 0 end
  end
  return 1
end
for from = 1, #ARGV, 256 do
  local r = redis.pcall('HSET', KEYS[1], unpack(ARGV, from, math.min(from + 255, #ARGV)))
  if type(r) == 'table' then return r end
end
return 2
