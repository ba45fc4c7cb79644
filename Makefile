# kplan: `make` lists what there is.

GO      ?= go
export GOTOOLCHAIN = local
GOFUMPT     = $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
LAB         = $(GO) run ./test/lab/cmd/lab
UNIT        = $$($(GO) list ./... | grep -vE '/test(/|$$)')
ON_LAB      = $$($(GO) list ./... | grep -E "/test(/|$$)" | grep -v /test/kube$$)
N          ?= 3

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/kplan
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/kplan ./cmd/kplan

.PHONY: demo
demo: build ## three throw-away machines: plan, apply, drift, repair
	./test/demo/demo.sh

.PHONY: check
check: fmt-check vet staticcheck unit ## what needs no machine: format, vet, staticcheck, tests

.PHONY: fmt-check vet staticcheck unit
fmt-check:
	@out=$$($(GOFUMPT) -l .); if [ -n "$$out" ]; then echo "not gofumpt-ed:"; echo "$$out"; exit 1; fi
vet:
	$(GO) vet ./...
staticcheck:
	$(STATICCHECK) ./...
unit:
	$(GO) test $(VERBOSE) -shuffle=on $(UNIT)

# With the race detector, which costs ten times the time, -short takes samples
# of what is exhaustive and starts no goroutine: unit has tried all of it.
.PHONY: test
test: check ## everything: check, the race detector, the lab, a little fuzzing
	$(GO) test $(VERBOSE) -race -short -vet=off -shuffle=on $(UNIT)
	$(GO) test -v -race -vet=off -shuffle=on -count=1 -p 1 -timeout 20m $(ON_LAB)
	./test/fuzz.sh 3000x

.PHONY: crash
crash: ## kill -9 and loss of power at random instants, in process and in the lab
	KPLAN_KUBE=1 KPLAN_CRASH=full $(GO) test -run 'Crash|Kill|Power' -timeout 150m -count=1 -v -p 1 ./test/...

# The floor is the same cluster by hand. -v shows the seconds of each stage.
.PHONY: e2e-kubernetes
e2e-kubernetes: ## a Kubernetes cluster in the lab, by hand and by kplan: seconds of each stage
	KPLAN_KUBE=1 $(GO) test -v -count=1 -timeout 60m ./test/kube

.PHONY: bench
bench: ## speed, as ratios and exponents
	$(GO) test -run '^$$' -bench . -benchtime 1x ./engine/... ./dsl/... ./state/...

.PHONY: fuzz
fuzz: ## fuzz every decoder for a few minutes
	./test/fuzz.sh 200000x

.PHONY: lab-up lab-down lab-ssh
lab-up: ## start N=3 throw-away machines
	$(LAB) up --machines $(N)
lab-down: ## remove them, and what they changed on this host
	$(LAB) down
lab-ssh: ## log in: make lab-ssh HOST=k8s-node1
	$(LAB) ssh $(HOST)
