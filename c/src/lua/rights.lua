-- RIGHTS: which of these commands the user who calls may not run, with these keys.
-- KEYS none
-- ARGV commands, each with all its words, blanks between
-- Returns their places, from 1 on; nil where the server cannot tell (before Redis 7).
-- Repeat: reads only.
local may, refused = redis.acl_check_cmd, {}
if not may then return false end
for i, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '%S+') do words[#words + 1] = word end
  if not may(unpack(words)) then refused[#refused + 1] = i end
end
return refused
