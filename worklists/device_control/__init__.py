"""Quality control of imaging devices and ECG carts (设备质控): checks, how often they are due, what follows from them."""
