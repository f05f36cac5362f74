-- Answers one(KEYS, ARGV) for a job, or a list of that for each of several with `per` arguments; an error of one job is an
-- answer like others.
if #KEYS == 1 then return one(KEYS, ARGV) end
local answers, job, args = {}, {}, {}
for i = 1, #KEYS do
  job[1] = KEYS[i]
  for j = 1, per do args[j] = ARGV[(i - 1) * per + j] end
  answers[i] = one(job, args)
end
return answers
