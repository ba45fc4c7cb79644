package kubeadm_test

import (
	"testing"

	"github.com/kplan/kplan/modules/internal/kubeadm"
	"github.com/kplan/kplan/modules/resource/resourcetest"
	"github.com/kplan/kplan/modules/resource/resourcetest/cases"
)

func TestLaws(t *testing.T) {
	for _, typ := range kubeadm.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			resourcetest.Laws(t, typ, func(t *testing.T) resourcetest.Machine { return resourcetest.Memory(t.Errorf) }, cases.All())
		})
	}
}
