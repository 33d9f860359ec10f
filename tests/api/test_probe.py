import pytest
@pytest.mark.parametrize("n",range(4))
def test_x(shop,n):
    t=shop.ticket()
    shop.settle()
    assert shop.get(f"/v1/tickets/{t}").status_code==200
    i=shop.item(); m=shop.mechanic()
    c=shop.as_("mechanic")
    assert c.post(f"/v1/tickets/{t}/parts",json={"inventory_id":i,"quantity":1},headers={"X":"y"}).status_code==201
