#!/usr/bin/env bash
# The manifests match the schemas of Kubernetes, and are all in kustomization.yaml. No cluster is needed.
. "$(dirname "$0")/../lib.sh"
PATH=$PATH:$(realpath -m "${CARGO_TARGET_DIR:-../../target}")/kubernetes-validate/bin
need kubernetes-validate

kubernetes-validate --strict settings.yaml migrate.yaml server.yaml worker.yaml prune.yaml ingress.yaml 2>&1 ||
  fail "not as the schemas say"
for file in *.yaml; do
  [ "$file" = kustomization.yaml ] || grep -qx "  - $file" kustomization.yaml || fail "$file is not in kustomization.yaml"
done
