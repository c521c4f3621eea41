/** Opens or closes a circuit on the order of a person. */
export const BY_HAND = `
if op == 'force' then
  if not exists then c.generation = knownGeneration
  elseif not isKnown or c.generation ~= knownGeneration then return stored end
  if ARGV[10] == 'open' then open(arg(2), arg(3), ARGV[13], '1')
  else
    c.attempts = 0
    transition('closed', ARGV[13], '1')
  end
  save()
  publish()
  return view()
end
`;
