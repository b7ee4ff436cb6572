#!/bin/sh
# One sealing geth node (clique). /chain/genesis.json names the sealer; deploy.md says how it is made.
set -eu
data=/root/.ethereum
if [ ! -d "$data/geth/chaindata" ]; then
  geth account import --datadir "$data" --password /run/secrets/sealer-password /run/secrets/sealer-key
  geth init --datadir "$data" /chain/genesis.json
fi
address=$(geth account list --datadir "$data" | sed -n 's/.*{\([0-9a-f]*\)}.*/0x\1/p' | head -n 1)
exec geth --datadir "$data" --networkid "$CHAIN_ID" --syncmode full --gcmode archive --nodiscover \
  --http --http.addr 0.0.0.0 --http.vhosts geth --http.api eth,net \
  --mine --miner.etherbase "$address" --unlock "$address" --password /run/secrets/sealer-password --allow-insecure-unlock
