package kubeadm

import "testing"

// A refresh writes the control plane again where its configuration is another,
// and does nothing where it is as it was.
func TestReconfigure(t *testing.T) {
	_, plane, _ := worlds(t)
	want := controlPlaneWanted()
	acts := len(plane.Acts())
	if err := want.Refresh(t.Context(), plane.Host()); err != nil || len(plane.Acts()) != acts {
		t.Errorf("as it was: %v, %d acts", err, len(plane.Acts())-acts)
	}
	plane.Put(configFile, "kubernetesVersion: v1.34.4\nclusterName: other\n")
	if err := want.Refresh(t.Context(), plane.Host()); err != nil {
		t.Fatal(err)
	}
	if got, err := want.Read(t.Context(), plane.Reader()); err != nil || !got.Intact {
		t.Errorf("with another configuration: %+v, %v", got, err)
	}
}
