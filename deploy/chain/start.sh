#!/bin/sh
# One sealing geth node (clique). The first start makes its genesis of genesis.json: the sealer is the account of the secret `sealer-key`,
# and FUNDED (addresses by comma: see `mooring chain accounts`) have ether from the first block on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${GETH_DATA:-/root/.ethereum}
secrets=${SECRETS:-/run/secrets}
if [ ! -d "$data/geth/chaindata" ]; then
  mkdir -p "$data"
  geth account import --datadir "$data" --password "$secrets/sealer-password" "$secrets/sealer-key"
fi
address=$(geth account list --datadir "$data" 2>/dev/null | sed -n 's/.*{\([0-9a-f]*\)}.*/\1/p' | head -n 1)
if [ ! -d "$data/geth/chaindata" ]; then
  zeros() { printf "%0$1d" 0; }
  alloc=''
  for account in $(echo "${FUNDED:?the accounts that pay, by comma: mooring chain accounts}" | tr ',' ' '); do
    alloc="$alloc${alloc:+, }\"$account\""': { "balance": "0xd3c21bcecceda1000000" }'
  done
  sed -e "s/\"chainId\": [0-9]*/\"chainId\": $CHAIN_ID/" -e "s/\"SEALER\"/\"0x$(zeros 64)$address$(zeros 130)\"/" \
    -e "s/\"FUNDED\": .*/$alloc/" "$here/genesis.json" > "$data/genesis.json"
  geth init --datadir "$data" "$data/genesis.json"
fi
exec geth --datadir "$data" --networkid "$CHAIN_ID" --syncmode full --gcmode archive --nodiscover --ipcdisable \
  --http --http.addr "${BIND:-0.0.0.0}" --http.port "${HTTP_PORT:-8545}" --http.vhosts '*' --http.api eth,net \
  --ws --ws.addr "${BIND:-0.0.0.0}" --ws.port "${WS_PORT:-8546}" --ws.origins '*' --ws.api eth,net \
  --mine --miner.etherbase "0x$address" --unlock "0x$address" --password "$secrets/sealer-password" --allow-insecure-unlock
